/**
 * The commands of `howdah`, declared without the code behind them: start-up loads one command only.
 */
import type { CommandSpec, OptionSpec } from '../command.ts'

const file: OptionSpec = {
  value: 'FILE',
  short: '-f',
  help: 'The YAML of the set-up; else HOWDAH_FILE, else howdah.yaml here.',
}

const output: OptionSpec = {
  value: 'FORMAT',
  short: '-o',
  help: 'table, json, yaml or tsv; a table on a terminal, else tsv.',
}

export const commands: { readonly [name: string]: CommandSpec } = {
  up: {
    summary: 'Runs a whole set-up on this machine: servers, controllers, services, processes.',
    usage: '[FILE] [options]',
    details:
      'Each part is a process of its own, supervised; one merged log. For set-ups whose hosts are all\n' +
      'loopback. Makes the roots of new groups by itself. SIGINT and SIGTERM stop everything in order.',
    options: {
      file,
      only: { value: 'PARTS', help: 'Only these, separated by commas: server/1,orders/a,ledger.' },
      raw: { value: null, help: 'The log as JSON lines instead of readable ones.' },
    },
    positionals: { least: 0, most: 1 },
    examples: [
      'howdah up examples/pair/howdah.yaml',
      'howdah up -f set-up.yaml --only server/1,ledger',
    ],
    load: () => import('./up.ts'),
  },
  server: {
    summary: 'Runs one server in the foreground.',
    usage: 'FILE [--sid N] | PORT DATADIR [TICKTIME] [MAXCLIENTCNXNS]',
    details:
      'FILE is a zoo.cfg (unchanged Apache files work) or the YAML of a set-up. SIGTERM stops it cleanly.\n' +
      'The log is JSON lines, readable on a terminal. SERVER_JVMFLAGS may hold -Dname=value. Ends with\n' +
      "Apache's own codes: 2 invocation or configuration, 3 data directory, 1 anything else.",
    options: {
      sid: { value: 'N', help: 'Which server of the YAML; its only one without it.' },
    },
    takesProperties: true,
    positionals: { least: 1, most: 4 },
    examples: ['howdah server zoo.cfg', 'howdah server howdah.yaml --sid 1'],
    load: () => import('./server.ts'),
  },
  controller: {
    summary: 'Runs the failover controller of one member in the foreground.',
    usage: 'GROUP/MEMBER [options]',
    details:
      'SIGTERM hands over to another member: the service is stopped, confirmed, and the lock given up.',
    options: {
      file,
      'keep-service': {
        value: null,
        help: 'On SIGTERM leave the service running, for the next start to adopt.',
      },
    },
    positionals: { least: 1, most: 1 },
    examples: [
      'howdah controller orders/a',
      'howdah controller orders/a -f howdah.yaml --keep-service',
    ],
    load: () => import('./controller.ts'),
  },
  init: {
    summary: "Makes a group's root in the ensemble.",
    usage: 'GROUP [options]',
    details: 'Refuses a group that exists, unless --force says to begin anew.',
    options: {
      file,
      force: {
        value: null,
        help: 'Begin anew: forgets who was active. Stop the controllers first.',
      },
    },
    positionals: { least: 1, most: 1 },
    examples: ['howdah init orders', 'howdah init orders -f howdah.yaml --force'],
    load: () => import('./init.ts'),
  },
  status: {
    summary: 'Shows the ensemble, the groups, and what is wrong with them.',
    usage: '[options]',
    details: 'Ends with 0 when all is healthy, 1 when something is not, 3 when nobody answers.',
    options: {
      file,
      output,
      server: { value: 'LIST', help: 'An ensemble without a set-up: host:port,host:port.' },
      watch: { value: 'SECONDS', isOptional: true, help: 'Again every so many seconds (2).' },
    },
    positionals: { least: 0, most: 0 },
    examples: ['howdah status', 'howdah status -o json | jq .groups.orders.active'],
    load: () => import('./status.ts'),
  },
  check: {
    summary: 'Checks a zoo.cfg or a YAML, and touches nothing.',
    usage: '[FILE] [options]',
    details:
      'Prints each problem as file:line:column: what, got, expected; then the times derived. What the\n' +
      'start of a server would warn of, is noted. SERVER_JVMFLAGS and -D count, as at a start.',
    options: {
      file,
      explain: {
        value: 'KEY',
        help: 'Documents a key, with its default and where its value comes from.',
      },
      plan: { value: null, help: 'Prints what `howdah up` would start.' },
    },
    positionals: { least: 0, most: 1 },
    takesProperties: true,
    examples: [
      'howdah check zoo.cfg -Djute.maxbuffer=4194304',
      'howdah check howdah.yaml --explain lease',
    ],
    load: () => import('./check.ts'),
  },
  snapshot: {
    summary: 'Shows a snapshot, or makes a new data directory from one.',
    usage: 'restore FILE --into DIR [--above ZXID] | show FILE',
    details:
      'FILE is a snapshot of ours or of Apache’s, plain, gz or snappy, whatever its name: from version-2,\n' +
      'or from GET /commands/snapshot. A restore leaves out sessions and their ephemeral nodes, and goes\n' +
      'on 65536 epochs above all it knows of, so that no zxid is given twice. DIR may hold myid, nothing else.',
    options: {
      into: { value: 'DIR', help: 'The new data directory: empty, or not there yet.' },
      above: {
        value: 'ZXID',
        help: 'The last zxid that the lost ensemble is known to have given, in hex.',
      },
      'accept-fuzzy': {
        value: null,
        help: 'Take a snapshot that Apache wrote while its tree changed as it is, as Apache’s restore does.',
      },
      output,
    },
    positionals: { least: 2, most: 2 },
    examples: [
      'howdah snapshot restore backup/snapshot.100000004 --into /var/lib/howdah/1',
      'howdah snapshot show backup/snapshot.100000004.gz -o json',
    ],
    load: () => import('./snapshot.ts'),
  },
  cli: {
    summary: 'zkCli: its commands, options and output; one command, a script, or a shell.',
    usage: '[-server LIST] [-timeout MS] [-r] [-waitforconnection] [COMMAND …]',
    details:
      'Without COMMAND a shell: lines from stdin, with history and completion on a terminal.\n' +
      '  -server LIST         host:port,host:port/chroot; else of HOWDAH_FILE, else localhost:2181.\n' +
      '  -timeout MS          The session timeout to ask for; 30000 without it.\n' +
      '  -r                   Accept a server that has lost its quorum, for reading.\n' +
      '  -waitforconnection   Run nothing before there is a connection.\n' +
      "Ends with zkCli's own codes: 0, 1 an error, 127 an unknown command; 2 for wrong options.\n" +
      'Beyond zkCli: tree, find, du, watch PATH; export PATH FILE, import [--dry-run] [-f] FILE PATH.\n' +
      'A word that is no command, such as help, prints all of zkCli’s commands. As in zkCli, the session\n' +
      'and its ephemeral nodes outlive the command by the timeout, unless it ends by `quit` or `close`.',
    options: {},
    ownWords: true,
    positionals: { least: 0, most: Infinity },
    examples: ['howdah cli -server 127.0.0.1:2181 ls -R /', 'howdah cli -server a:2181,b:2181/app'],
    load: () => import('./cli.ts'),
  },
}

/** Part of the interface, with nothing behind them yet. */
export const commandsToCome: { readonly [name: string]: string } = {
  register: 'one registration in the foreground',
  convert: 'zoo.cfg or Hadoop’s files to the YAML',
  switchover: 'a graceful change of the active',
  failover: 'makes a member active when there is none',
  fence: 'runs the fencing of a member by hand',
  explain: 'why the active is active',
  pause: 'decisions off, monitoring on',
  resume: 'decisions on again',
  history: 'who was active when, and why',
  drain: 'takes a member out of service',
  undrain: 'takes it back',
  set: 'changes what registries see',
  run: 'runs a command while leading or holding a lock',
}
