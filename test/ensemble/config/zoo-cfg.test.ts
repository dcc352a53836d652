/** zoo.cfg as Apache's servers read it, and what of it stops a start. */
import { describe, expect, test } from 'vitest'
import {
  knownKeys,
  parseDynamicConfig,
  parseMyid,
  parseServerArguments,
  parseZooCfg,
  type ZooCfgContext,
} from '../../../ensemble/config/index.ts'

/** Settings of a text that must be without problems. */
function settingsOf(text: string, context?: ZooCfgContext) {
  const { settings, problems } = parseZooCfg(text, 'zoo.cfg', context)
  expect(problems).toEqual([])
  return settings
}

/** Problems as lines, as a user would see them. */
function problemsOf(text: string, context?: ZooCfgContext): string[] {
  return parseZooCfg(text, 'zoo.cfg', context).problems.map(shown)
}

function notesOf(text: string, context?: ZooCfgContext): string[] {
  return parseZooCfg(text, 'zoo.cfg', context).notes.map(shown)
}

function shown(problem: {
  file: string
  line: number
  column: number
  what: string
  got?: string | undefined
  expected?: string | undefined
  suggestion?: string | undefined
}): string {
  const { file, line, column, what, got, expected, suggestion } = problem
  const detail = [
    got === undefined ? '' : ` got ${got}`,
    expected === undefined ? '' : ` expected ${expected}`,
    suggestion === undefined ? '' : ` meant ${suggestion}`,
  ]
  return `${file}:${line}:${column} ${what}${detail.join('')}`
}

const ENSEMBLE = `
tickTime=2000
initLimit=10
syncLimit=5
dataDir=/var/lib/zk
server.1=zk1:2888:3888
server.2=zk2:2888:3888:observer
server.3=[2001:db8::3]:2888:3888:PARTICIPANT;[::1]:2181
server.4=10.0.0.4:2888:3888;2182
`

describe('a file of Apache’s', () => {
  test('the sample configuration', () => {
    const settings = settingsOf(`
# The number of milliseconds of each tick
tickTime=2000
initLimit=10
syncLimit=5
dataDir=/tmp/zookeeper
clientPort=2181
#maxClientCnxns=60
autopurge.snapRetainCount=3
autopurge.purgeInterval=1
`)
    expect(settings).toMatchObject({
      tickTime: 2000,
      dataDir: '/tmp/zookeeper',
      dataLogDir: '/tmp/zookeeper',
      clientPort: 2181,
      maxClientCnxns: 60,
      minSessionTimeout: 4000,
      maxSessionTimeout: 40_000,
      connectToLearnerMasterLimit: 10,
      'autopurge.purgeInterval': 1,
      'jute.maxbuffer.extrasize': 1_048_575,
      '4lw.commands.whitelist': ['srvr'],
      forceSync: true,
    })
    expect(settings.members.servers).toEqual([])
    expect(Object.isFrozen(settings)).toBe(true)
  })

  test('an ensemble with its forms of addresses', () => {
    const { members } = settingsOf(ENSEMBLE)
    expect(members.servers).toMatchObject([
      { sid: 1, role: 'participant', clientPort: null, clientHost: null },
      {
        sid: 2,
        role: 'observer',
        addresses: [{ host: 'zk2', quorumPort: 2888, electionPort: 3888 }],
      },
      {
        sid: 3,
        role: 'participant',
        addresses: [{ host: '2001:db8::3' }],
        clientHost: '::1',
        clientPort: 2181,
      },
      { sid: 4, clientHost: '0.0.0.0', clientPort: 2182 },
    ])
  })

  test('several addresses, groups and weights', () => {
    const { members } = settingsOf(`
dataDir=/d
initLimit=1
syncLimit=1
multiAddress.enabled=true
server.1=a:1:2|b:1:2;2181
server.2=c:1:2
server.3=d:1:2
group.1=1:2
group.2=3
weight.1=2
`)
    expect(members.servers[0]!.addresses.map(({ host }) => host)).toEqual(['a', 'b'])
    expect([...members.groups]).toEqual([
      [1, [1, 2]],
      [2, [3]],
    ])
    expect([...members.weights]).toEqual([[1, 2]])
  })

  test('carriage returns, tabs, a byte order mark', () => {
    const text = '\uFEFFtickTime\t=\t1000\r\ndataDir = /d \r\n'
    expect(settingsOf(text)).toMatchObject({ tickTime: 1000, dataDir: '/d' })
    expect(notesOf(text)).toEqual(['zoo.cfg:1:1 a byte order mark, dropped'])
  })

  test('of two lines the later one counts, aloud', () => {
    const text = 'dataDir=/a\ntickTime=1\ndataDir=/b'
    expect(settingsOf(text).dataDir).toBe('/b')
    expect(notesOf(text)).toEqual(['zoo.cfg:1:1 dataDir is given again in line 3, which counts'])
  })

  test('port and directory as arguments', () => {
    const { settings, problems } = parseServerArguments(['2181', 'C:\\zk', '500', '0'])
    expect(problems).toEqual([])
    expect(settings).toMatchObject({
      clientPort: 2181,
      dataDir: 'C:\\zk',
      tickTime: 500,
      maxClientCnxns: 0,
    })
    expect(parseServerArguments(['x', '/d']).problems.map(shown)).toEqual([
      'arguments:1:12 clientPort got x expected a whole number from 0 to 65535',
    ])
  })
})

describe('system properties', () => {
  test('keys of the file are properties with a prefix, and overrule -D', () => {
    const flags = '-Xmx1g -Dzookeeper.snapCount=7 -Dzookeeper.preAllocSize=64 -Djute.maxbuffer=4096'
    const settings = settingsOf('dataDir=/d\npreAllocSize=128', { flags })
    expect(settings).toMatchObject({ snapCount: 7, preAllocSize: 128, 'jute.maxbuffer': 4096 })
  })

  test('what has no prefix is reached by -D only', () => {
    const text = 'dataDir=/d\njute.maxbuffer=4096\nreadonlymode.enabled=true'
    expect(settingsOf(text)).toMatchObject({
      'jute.maxbuffer': 1_048_575,
      'readonlymode.enabled': false,
    })
    expect(notesOf(text)).toEqual([
      'zoo.cfg:2:1 jute.maxbuffer has no effect in the file, as with Apache: give it as -Djute.maxbuffer',
      'zoo.cfg:3:1 readonlymode.enabled has no effect in the file, as with Apache: give it as -Dreadonlymode.enabled',
    ])
    const flags =
      '-Dreadonlymode.enabled=true -Dznode.container.checkIntervalMs=1000 -Dfsync.warningthresholdms=5'
    expect(settingsOf('dataDir=/d', { flags })).toMatchObject({
      'readonlymode.enabled': true,
      'znode.container.checkIntervalMs': 1000,
      'fsync.warningthresholdms': 5,
    })
  })

  test('keys of the file are not read from -D', () => {
    const context = {
      flags: '-Dzookeeper.tickTime=1 -Dzookeeper.snapCout=1 -Dother=1 -Dzookeeper.superUser.1=bob',
    }
    expect(settingsOf('dataDir=/d', context)).toMatchObject({
      tickTime: 3000,
      superUsers: { '1': 'bob' },
    })
    expect(notesOf('dataDir=/d', context)).toEqual([
      '-D:0:0 -Dzookeeper.tickTime is read from the file only, and has no effect',
      '-D:0:0 -Dzookeeper.snapCout is not known, and has no effect meant zookeeper.snapCount',
      '-D:0:0 superUser.1: whoever has its credentials may read and change all, whatever the ACLs say',
    ])
  })

  test('an empty -D says nothing', () => {
    const flags = '-Dzookeeper.DigestAuthenticationProvider.superDigest='
    expect(
      settingsOf('dataDir=/d', { flags })['DigestAuthenticationProvider.superDigest'],
    ).toBeNull()
  })

  test('TLS of clients and of servers, and families of keys', () => {
    const settings = settingsOf(`
dataDir=/d
ssl.keyStore.location=/k.p12
ssl.quorum.clientAuth=want
ssl.quorum.keyStore.password=hunter2
authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider
authProvider.ens=org.apache.zookeeper.server.auth.EnsembleAuthenticationProvider
metricsProvider.httpPort=7000
4lw.commands.whitelist=ruok, srvr ,*
`)
    expect(settings.clientTls['keyStore.location']).toBe('/k.p12')
    expect(settings.clientTls.clientAuth).toBe('need')
    expect(settings.quorumTls.clientAuth).toBe('want')
    expect(settings.quorumTls['keyStore.password']).toBe('hunter2')
    expect(settings.authProvider).toEqual({
      '1': 'org.apache.zookeeper.server.auth.SASLAuthenticationProvider',
      ens: 'org.apache.zookeeper.server.auth.EnsembleAuthenticationProvider',
    })
    expect(settings.metricsProvider).toEqual({ httpPort: '7000' })
    expect(settings['4lw.commands.whitelist']).toEqual(['ruok', 'srvr', '*'])
  })

  test('every origin is known', () => {
    const { origins } = parseZooCfg('dataDir=/d\n\ntickTime=5', 'zoo.cfg', {
      flags: '-Djute.maxbuffer=9',
    })
    expect(origins.get('tickTime')).toEqual({ file: 'zoo.cfg', line: 3 })
    expect(origins.get('jute.maxbuffer')).toBe('flag')
    expect(origins.get('initLimit')).toBe('default')
    expect([...knownKeys.keys()].filter((key) => !origins.has(key))).toEqual([])
  })
})

describe('X-11: what stops a start, with file, line, what was found and expected', () => {
  test.each<[string, string[]]>([
    ['', ['zoo.cfg:0:0 dataDir is missing expected dataDir=DIRECTORY']],
    ['dataDir=', ['zoo.cfg:1:9 dataDir got  expected some text']],
    [
      'dataDir=/d\ntickTime=0',
      ['zoo.cfg:2:10 tickTime got 0 expected a whole number of at least 1'],
    ],
    [
      'dataDir=/d\ntickTime=-5',
      ['zoo.cfg:2:10 tickTime got -5 expected a whole number of at least 1'],
    ],
    [
      'dataDir=/d\ntickTime=2s',
      ['zoo.cfg:2:10 tickTime got 2s expected a whole number of at least 1'],
    ],
    [
      'dataDir=/d\ninitLimit=99999999999',
      ['zoo.cfg:2:11 initLimit got 99999999999 expected a whole number of at least 1'],
    ],
    [
      'dataDir=/d\nclientPort=65536',
      ['zoo.cfg:2:12 clientPort got 65536 expected a whole number from 0 to 65535'],
    ],
    [
      'dataDir=/d\nreconfigEnabled=yes',
      ['zoo.cfg:2:17 reconfigEnabled got yes expected true or false'],
    ],
    ['dataDir=/d\nforceSync=true', ['zoo.cfg:2:11 forceSync got true expected yes or no']],
    [
      'dataDir=/d\nelectionAlg=1',
      ['zoo.cfg:2:13 electionAlg got 1 expected a whole number from 3 to 3'],
    ],
    [
      'dataDir=/d\npeerType=leader',
      ['zoo.cfg:2:10 peerType got leader expected participant or observer'],
    ],
    ['dataDir=/d\nticktime=5', ['zoo.cfg:2:1 an unknown key got ticktime meant tickTime']],
    ['dataDir=/d\nclientprot=5', ['zoo.cfg:2:1 an unknown key got clientprot meant clientPort']],
    [
      'dataDir=/d\nzookeeper.snapCount=5',
      ['zoo.cfg:2:1 an unknown key got zookeeper.snapCount meant snapCount'],
    ],
    [
      'dataDir=/d\nversion=5',
      ['zoo.cfg:2:1 version belongs to dynamic configuration only got version'],
    ],
    [
      'dataDir=/d\nminSessionTimeout=9\nmaxSessionTimeout=8',
      ['zoo.cfg:2:1 minSessionTimeout is above maxSessionTimeout got 9 > 8'],
    ],
    [
      'dataDir=/d\nclientPortAddress=::1',
      ['zoo.cfg:2:1 clientPortAddress without clientPort expected clientPort=PORT'],
    ],
    [
      'dataDir=/d\nclientPort=1\nsecureClientPort=1',
      ['zoo.cfg:3:1 clientPort and secureClientPort are the same'],
    ],
    [
      'dataDir=/d\nclientPort=1\nadmin.serverPort=1',
      ['zoo.cfg:3:1 clientPort and admin.serverPort are the same'],
    ],
    ['dataDir=/d\nclientPort=1\nadmin.serverPort=1\nadmin.enableServer=false', []],
    [
      'dataDir=/d\nclientPort=1\nclientPortAddress=::1\nadmin.serverPort=1\nadmin.serverAddress=::2',
      [],
    ],
    ['dataDir=/\0d', ['zoo.cfg:1:1 dataDir holds a NUL character']],
    [
      'dataDir=/d\ntickTime=2000\ninitLimit=1073742',
      ['zoo.cfg:3:1 initLimit is longer than any timer expected at most 1073741 ticks of 2000 ms'],
    ],
    [
      'dataDir=/d\ntickTime=2147483647',
      ['zoo.cfg:2:1 two ticks are longer than any session expected at most 1073741823'],
    ],
    [
      'dataDir=/d\nstandaloneEnabled=false',
      ['zoo.cfg:2:1 standaloneEnabled=false without a server line expected server.N=…'],
    ],
    ['dataDir=/d\nserver.1=a:1:2:observer', ['zoo.cfg:2:1 observers without any participant']],
    [
      'dataDir=/d\nserver.1=a:1:2\nserver.2=b:1:2:observer',
      ['zoo.cfg:0:0 observers of a server on its own expected standaloneEnabled=false'],
    ],
    [
      'dataDir=/d\nquorum.auth.learnerRequireSasl=true',
      [
        'zoo.cfg:2:1 quorum.auth.learnerRequireSasl without quorum.auth.enableSasl expected quorum.auth.enableSasl=true',
      ],
    ],
  ])('%j', (text, expected) => {
    expect(problemsOf(text)).toEqual(expected)
  })

  test.each([
    ['zk1:2888', 'the election port is missing'],
    ['zk1:2888:2888', 'quorum and election port are the same'],
    ['zk1:0:3888', 'a port that is none'],
    ['zk1:2888:x', 'a port that is none'],
    ['zk1:2888:3888:leader', 'a role that is none'],
    ['2001:db8::1:2888:3888', 'an address that cannot be read'],
    ['[zk1:2888:3888', 'an address that cannot be read'],
    [':2888:3888', 'no host name'],
    ['zk1:2888:3888;', 'a client address that cannot be read'],
    ['zk1:2888:3888;1;2', 'more than one client address'],
    ['zk1:2888:3888:observer|zk2:1:2:participant', 'addresses of one server with different roles'],
    ['', 'an address that cannot be read'],
  ])('a server line %j', (value, what) => {
    const [problem] = problemsOf(`dataDir=/d\nserver.1=${value}`)
    expect(problem).toContain(`zoo.cfg:2:10 server.1: ${what}`)
  })

  test.each([
    ['the same server twice', 'server.1=x:1:2', 'server 1 is named twice, first in line 6'],
    [
      'the same sid written otherwise',
      'server.01=x:1:2',
      'server 1 is named twice, first in line 6',
    ],
    [
      'ports of another server',
      'server.5=zk1:9:3888',
      'the election port of server 5 is the election port of server 1',
    ],
    ['no number', 'server.x=a:1:2', 'a key without a number'],
    ['no number at all', 'server=a:1:2', 'an unknown key'],
    ['a group of nobody', 'group.1=9', 'group 1 contains a server that is not there'],
    ['a weight of nobody', 'weight.9=1', 'a weight of a server that is not there'],
    ['several addresses', 'server.5=a:1:2|b:1:2', 'server 5 has several addresses'],
  ])('%s', (_, line, what) => {
    const found = [...problemsOf(ENSEMBLE + line), ...notesOf(ENSEMBLE + line)]
    expect(found.join('\n')).toContain(what)
  })

  test('an ensemble needs its limits', () => {
    const servers = 'server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2'
    expect(problemsOf(`dataDir=/d\n${servers}`)).toEqual([
      'zoo.cfg:0:0 initLimit is missing, which an ensemble needs expected initLimit=TICKS',
      'zoo.cfg:0:0 syncLimit is missing, which an ensemble needs expected syncLimit=TICKS',
    ])
  })

  test('every problem is reported, not the first one', () => {
    expect(problemsOf('tickTime=x\nclientPort=y\nsyncEnabled=z')).toHaveLength(4)
  })

  test('a secret is in no problem and no note', () => {
    const text = 'dataDir=/d\nssl.keyStore.passwrod=hunter2\nssl.keyStore.password='
    const flags = '-Dzookeeper.ssl.keyStore.pasword=hunter2'
    const { problems, notes } = parseZooCfg(text, 'zoo.cfg', { flags })
    expect(problems).not.toEqual([])
    expect(JSON.stringify([problems, notes])).not.toContain('hunter2')
  })

  test.each([
    ['', 'got '],
    ['one', 'got one'],
    ['0', 'got 0'],
    ['256', 'got 256'],
    ['-1', 'got -1'],
    ['1.5', 'got 1.5'],
  ])('myid %j', (text, got) => {
    const { sid, problems } = parseMyid(text, 'myid')
    expect(sid).toBeNull()
    expect(problems.map(shown)).toEqual([
      `myid:1:1 myid ${got} expected a whole number from 1 to 255 in the first line`,
    ])
  })

  test('myid is its first line', () => {
    expect(parseMyid(' 7 \nwhatever', 'myid')).toEqual({ sid: 7, problems: [] })
  })

  test('the dynamic file has members only, and they are not in both', () => {
    const text = 'dataDir=/d\ninitLimit=1\nsyncLimit=1\ndynamicConfigFile=/zoo.dyn\n'
    const dynamic = {
      file: 'zoo.dyn',
      text: 'server.1=a:1:2;1\nserver.2=b:1:2;1\nserver.3=c:1:2;1',
    }
    expect(settingsOf(text, { dynamic }).members.servers).toHaveLength(3)
    expect(problemsOf(`${text}server.1=a:1:2`, { dynamic })).toEqual([
      'zoo.cfg:5:1 server.1 belongs into the dynamic file, as dynamicConfigFile is set got server.1',
    ])
    const wrong = { ...dynamic, text: `${dynamic.text}\nversion=100000000\ntickTime=1` }
    expect(problemsOf(text, { dynamic: wrong })).toHaveLength(2)
  })

  test('the text of /zookeeper/config has a version', () => {
    const text = 'server.1=a:1:2:participant;0.0.0.0:2181\nversion=100000000'
    const { members, version, problems } = parseDynamicConfig(text, 'config', {
      allowVersion: true,
    })
    expect(problems).toEqual([])
    expect(version).toBe(0x100000000n)
    expect(members.servers).toMatchObject([{ sid: 1, role: 'participant', isRoleSaid: true }])
  })
})

describe('what is worth a note', () => {
  test.each([
    ['an even number', 'server.5=e:1:2', '4 participants survive the loss of 1, as 3 would'],
    ['a sid beyond a byte', 'server.300=e:1:2', 'server 300: session ids hold the low byte'],
    [
      'less than the least',
      'autopurge.snapRetainCount=1',
      'autopurge.snapRetainCount is raised to 3',
    ],
    ['threads', 'nio.numWorkerThreads=4', 'nio.numWorkerThreads has no effect here'],
    [
      'an unknown key',
      'com.example.whatever=1',
      'an unknown key, without effect got com.example.whatever',
    ],
  ])('%s', (_, line, note) => {
    expect(problemsOf(ENSEMBLE + line)).toEqual([])
    expect(notesOf(ENSEMBLE + line).join('\n')).toContain(note)
  })

  test('two servers survive nothing', () => {
    const text = 'dataDir=/d\ninitLimit=1\nsyncLimit=1\nserver.1=a:1:2\nserver.2=b:1:2'
    expect(notesOf(text)).toEqual([
      'zoo.cfg:4:1 2 participants survive the loss of 0, as 1 would expected an odd number',
    ])
  })
})

test('no fallback contradicts its own parser, and no help is missing', () => {
  for (const [key, { setting }] of knownKeys) {
    expect(setting.help, key).toMatch(/\S.*\.$|\*\.$/)
    if (setting.fallback === null || key === '4lw.commands.whitelist') continue
    const fallback = setting.fallback as string | number | boolean
    const yesNo =
      typeof fallback === 'boolean'
        ? [String(fallback), fallback ? 'yes' : 'no']
        : [String(fallback)]
    const outcomes = yesNo.map((text) => setting.parse(text))
    expect(outcomes, key).toContainEqual({ value: fallback })
  }
})
