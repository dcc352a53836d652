#!/bin/sh
# zkServer.sh for habits and scripts: `howdah server` with the words, files, variables, output and exit
# statuses of Apache's script (3.9.5). JMX variables are taken and mean nothing: there is no JVM.
#
# Two differences: `stop` waits until the server has ended, and so `restart` need not guess how long
# that takes; `version` names Howdah beside the release that it speaks like.

usage() {
  echo "Usage: $0 [--config <conf-dir>] {start|start-foreground|stop|version|restart|status|print-cmd}" >&2
}

script=$0
while [ -h "$script" ]; do
  target=$(readlink "$script")
  case $target in
    /*) script=$target ;;
    *) script=$(dirname "$script")/$target ;;
  esac
done
bin=$(cd "$(dirname "$script")" && pwd) || exit 1
howdah=$bin/howdah.js

if [ $# -gt 1 ] && [ "$1" = --config ]; then
  if [ ! -d "$2" ]; then
    echo "Error: $2 is not a directory" >&2
    usage
    exit 1
  fi
  ZOOCFGDIR=$2
  shift 2
fi
if [ -z "$ZOOCFGDIR" ]; then
  ZOOCFGDIR=/etc/zookeeper
  [ -e "$bin/../conf" ] && ZOOCFGDIR=$bin/../conf
fi
[ -f "$ZOOCFGDIR/zookeeper-env.sh" ] && . "$ZOOCFGDIR/zookeeper-env.sh"
[ -f "$ZOOCFGDIR/java.env" ] && . "$ZOOCFGDIR/java.env"
# Set by those files, they are no environment yet.
export SERVER_JVMFLAGS JVMFLAGS

if [ -z "$JMXDISABLE" ] || [ "$JMXDISABLE" = false ]; then
  echo "ZooKeeper JMX enabled by default" >&2
else
  echo "JMX disabled by user request" >&2
fi

config=$ZOOCFGDIR/${ZOOCFG:-zoo.cfg}
if [ -n "$2" ]; then
  config=$ZOOCFGDIR/$2
  # A path of its own is not looked for in the directory.
  [ "$(dirname "$config")" = "$ZOOCFGDIR" ] || config=$2
fi
echo "Using config: $config" >&2

# The value of a key in a file, the last one counts; blanks around it are dropped.
value() {
  sed -n "s/^[[:space:]]*$1[[:space:]]*=[[:space:]]*//p" "${2:-$config}" 2>/dev/null |
    sed -e 's/[[:space:]]*$//' | tail -n 1
}

dataDir=$(value dataDir)
dataLogDir=$(value dataLogDir)
autocreate=
if [ -n "$ZOO_DATADIR_AUTOCREATE_DISABLE" ]; then
  if [ ! -d "$dataDir/version-2" ]; then
    echo "ZooKeeper data directory is missing at $dataDir fix the path or run initialize"
    exit 1
  fi
  if [ -n "$dataLogDir" ] && [ ! -d "$dataLogDir/version-2" ]; then
    echo "ZooKeeper txnlog directory is missing at $dataLogDir fix the path or run initialize"
    exit 1
  fi
  autocreate=-Dzookeeper.datadir.autocreate=false
fi

pidFile=${ZOOPIDFILE:-$dataDir/zookeeper_server.pid}
logDir=${ZOO_LOG_DIR:-$bin/../logs}
output=$logDir/zookeeper-${USER:-$(id -un)}-server-${HOSTNAME:-$(hostname)}.out

isAlive() {
  [ -n "$1" ] && kill -0 "$1" 2>/dev/null
}

start() {
  printf 'Starting zookeeper ... '
  if [ -f "$pidFile" ] && isAlive "$(cat "$pidFile")"; then
    echo "already running as process $(cat "$pidFile")."
    exit 1
  fi
  mkdir -p "$(dirname "$pidFile")" "$logDir"
  nohup node "$howdah" server ${autocreate:+"$autocreate"} "$config" >"$output" 2>&1 </dev/null &
  pid=$!
  if ! printf %s "$pid" >"$pidFile"; then
    kill "$pid"
    echo 'FAILED TO WRITE PID'
    exit 1
  fi
  sleep 1
  if ! isAlive "$pid"; then
    echo 'FAILED TO START'
    exit 1
  fi
  echo STARTED
}

stop() {
  printf 'Stopping zookeeper ... '
  if [ ! -f "$pidFile" ]; then
    echo "no zookeeper to stop (could not find file $pidFile)"
    return
  fi
  pid=$(cat "$pidFile")
  kill "$pid"
  rm "$pidFile"
  left=30
  while isAlive "$pid" && [ "$left" -gt 0 ]; do
    sleep 1
    left=$((left - 1))
  done
  echo STOPPED
}

# The client part of this server's own line, in a file: HOST:PORT or PORT.
clientPart() {
  value "server\\.$1" "$2" | sed -n 's/.*;//p'
}

status() {
  isSsl=false
  port=$(value clientPort)
  address=$(value clientPortAddress)
  case $port in
    '' | *[!0-9]*)
      port=
      myid=$(cat "$dataDir/myid" 2>/dev/null)
      case $myid in
        '' | *[!0-9]*)
          echo 'myid could not be determined, will not able to locate clientPort in the server configs.'
          ;;
        *)
          part=$(clientPart "$myid" "$config")
          if [ -z "$part" ]; then
            echo 'Client port not found in static config file. Looking in dynamic config file.'
            part=$(clientPart "$myid" "$(value dynamicConfigFile)")
          fi
          if [ -z "$part" ]; then
            echo 'Client port not found in the server configs'
          else
            port=${part##*:}
            [ "$port" = "$part" ] || address=${part%:*}
          fi
          ;;
      esac
      ;;
  esac
  if [ -z "$port" ]; then
    echo 'Client port not found. Looking for secureClientPort in the static config.'
    port=$(value secureClientPort)
    isSsl=true
  fi
  if [ -z "$port" ]; then
    echo 'Unable to find either secure or unsecure client port in any configs. Terminating.'
    exit 1
  fi
  address=${address:-localhost}
  echo "Client port found: $port. Client address: $address. Client SSL: $isSsl."
  mode=$(node -e "$ask" "$address" "$port" "$isSsl" 2>/dev/null | grep '^Mode')
  if [ -z "$mode" ]; then
    echo 'Error contacting service. It is probably not running.'
    exit 1
  fi
  echo "$mode"
}

# Sends srvr to HOST PORT, over TLS or not, and prints the answer; five seconds at most.
ask='
const [host, port, isSsl] = process.argv.slice(1)
const { connect } = require(isSsl === "true" ? "node:tls" : "node:net")
const at = host.replace(/^\[(.*)\]$/, "$1")
const socket = connect({ host: at, port: Number(port), rejectUnauthorized: false })
socket.on("error", () => process.exit(1))
socket.setTimeout(5000, () => process.exit(1))
socket.on(isSsl === "true" ? "secureConnect" : "connect", () => socket.write("srvr"))
socket.pipe(process.stdout)
'

case $1 in
  start) start ;;
  start-foreground) exec node "$howdah" server ${autocreate:+"$autocreate"} "$config" ;;
  print-cmd)
    echo "\"node\" \"$howdah\" server $autocreate \"$config\" > \"$output\" 2>&1 < /dev/null"
    ;;
  stop) stop ;;
  version) node "$howdah" --version | sed 's/^/Apache ZooKeeper, version 3.9.5 by /' ;;
  restart)
    stop
    start
    ;;
  status) status ;;
  *) usage ;;
esac
