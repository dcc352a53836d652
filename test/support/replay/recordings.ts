/**
 * The recordings of test/golden/client that one server can give: the settings of their server, and what
 * clients that were not recorded did to it. Line numbers are those of the files.
 */

import type { ServerSetUp } from '../twin-servers.ts'

/** What the unrecorded client does, where the recording shows its effect. */
export type HiddenStep =
  | readonly ['connect']
  | readonly ['create' | 'create-ephemeral' | 'set', path: string, data: string]
  | readonly ['delete', path: string]
  | readonly ['close']

export interface Recording extends ServerSetUp {
  readonly file: string
  /** Before the line is sent or awaited. */
  readonly hidden?: Readonly<Record<number, readonly HiddenStep[]>>
  /** zxid of the last of the steps before the first line, where the first answer cannot tell. */
  readonly base?: bigint
  /** Time that passes before the line. */
  readonly passesMs?: Readonly<Record<number, number>>
  /** Lines whose order depends on the moment or on a hash table. */
  readonly anyOrder?: readonly number[]
}

/** A tree as it was when the recording began: the root's children now, and how many more had been. */
function root(children: readonly string[], deleted: number): HiddenStep[] {
  const created = children.map((name) => ['create', `/${name}`, 'x'] as const)
  const gone = Array.from({ length: deleted }, (_, index) => `/gone-${index}`)
  return [
    ['connect'],
    ...created,
    ...gone.flatMap((path) => [['create', path, 'x'] as const, ['delete', path] as const]),
  ]
}

const sasl = {
  settings: { 'authProvider.sasl': 'org.apache.zookeeper.server.auth.SASLAuthenticationProvider' },
  jaas: `Server {
  org.apache.zookeeper.server.auth.DigestLoginModule required user_bob="bobsecret";
};
`,
}

const SIX = ['1', '2', '3', '4', '5', '6']

export const recordings: readonly Recording[] = [
  { file: 'java-crud' },
  { file: 'java-acl-auth' },
  { file: 'java-authfail' },
  { file: 'java-multi' },
  {
    file: 'java-watch',
    hidden: {
      4: [['connect'], ['create', '/w', 'x']],
      10: [
        ['create', '/w/n', 'x'],
        ['set', '/w', 'y'],
      ],
      21: [['delete', '/w/n']],
      27: [
        ['create', '/w/r', 'x'],
        ['create', '/w/r/a', 'x'],
        ['create', '/w/r/a/b', 'x'],
        ['set', '/w/r/a/b', 'y'],
        ['set', '/w', 'q'],
        ['delete', '/w/r/a/b'],
      ],
      52: [['create-ephemeral', '/w/e', 'x']],
      56: [['close']],
    },
  },
  {
    file: 'java-reconnect-setwatches',
    hidden: {
      2: root(SIX.slice(0, 5), 0),
      5: [
        ['create', '/r', 'x'],
        ['create', '/r/d', 'x'],
      ],
      16: [
        ['set', '/r', 'y'],
        ['delete', '/r/d'],
        ['create', '/r/no', 'x'],
      ],
    },
  },
  {
    file: 'java-reconnect-setwatches2',
    hidden: {
      2: root(SIX, 0),
      5: [
        ['create', '/r2', 'x'],
        ['create', '/r2/d', 'x'],
      ],
      20: [
        ['set', '/r2', 'y'],
        ['delete', '/r2/d'],
        ['create', '/r2/no', 'x'],
      ],
    },
  },
  { file: 'java-sasl-digestmd5', ...sasl },
  { file: 'java-sasl-failure', ...sasl },
  { file: 'kazoo-basic' },
  { file: 'kazoo-auth' },
  { file: 'c-cli' },
  { file: 'c-multi' },
  {
    file: 'c-reconnect-setwatches',
    hidden: {
      2: [['connect'], ['create', '/cr', 'x'], ['create', '/cr/d', 'x']],
      16: [
        ['set', '/cr', 'y'],
        ['delete', '/cr/d'],
        ['create', '/cr/no', 'x'],
      ],
    },
  },
  { file: 'node-zookeeper-client' },
  { file: 'raw-connect', hidden: { 2: root([...SIX, '7', '8'], 5) } },
  {
    file: 'raw-opcodes',
    base: 0x114n,
    hidden: {
      2: [...root(['aa', 'r2', 'a', 'r', 'c', 'g', 'w', 'dc-plain', 'm'], 6), ['set', '/m', 'y']],
    },
  },
  { file: 'raw-create' },
  { file: 'raw-multi' },
  {
    file: 'raw-watch-matrix',
    hidden: { 2: [...root(['p', '0000000001', 'app', 'm'], 3), ['set', '/', 'four']] },
  },
  {
    file: 'raw-watch-acl',
    settings: {
      'authProvider.ensemble': 'org.apache.zookeeper.server.auth.EnsembleAuthenticationProvider',
      ensembleAuthName: 'alpha,beta',
    },
  },
  {
    file: 'raw-container-ttl-reaping',
    properties: { 'znode.container.checkIntervalMs': '5000' },
    passesMs: { 26: 5000 },
    anyOrder: [26, 27, 28],
  },
  {
    file: 'raw-misc-standalone',
    settings: {
      enforceQuota: 'true',
      reconfigEnabled: 'true',
      maxClientCnxns: '3',
      extendedTypesEnabled: 'false',
    },
  },
  {
    file: 'raw-enforce-auth',
    settings: { 'enforce.auth.enabled': 'true', 'enforce.auth.schemes': 'digest' },
    hidden: { 2: root(['1', '2', '3'], 0) },
  },
]

/** Conversations with members of an ensemble. */
export const needEnsemble: readonly string[] = [
  'curator',
  'java-readonly',
  'java-reconfig',
  'kazoo-readonly',
  'raw-expired',
  'raw-local-sessions',
  'raw-readonly-local',
  'raw-readonly-nolocal',
  'raw-session-moved',
  'raw-session-moved-leader',
]
