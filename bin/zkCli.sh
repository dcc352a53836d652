#!/bin/sh
# zkCli.sh for habits and scripts: `howdah cli` with the same words.
# CLIENT_JVMFLAGS may hold -Djute.maxbuffer=BYTES, as with Apache's.

script=$0
while [ -h "$script" ]; do
  target=$(readlink "$script")
  case $target in
    /*) script=$target ;;
    *) script=$(dirname "$script")/$target ;;
  esac
done
bin=$(cd "$(dirname "$script")" && pwd) || exit 1
exec node "$bin/howdah.js" cli "$@"
