/**
 * The same words to Apache's zkCli 3.9.5 and to ours, on one Apache server: same lines, same exit
 * codes. Skips aloud where there is no Java or no Maven.
 *
 * Java prints events by a thread of its own: their order among each other is compared, their place
 * among the lines is not.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { apache, apacheCli, apacheMissing } from '../support/apache.ts'
import { GOLDEN } from '../support/golden.ts'
import { freePort, ServerProcess } from '../support/server-process.ts'

const missing = apacheMissing()
if (missing !== null) process.stderr.write(`SKIPPED test/interop/cli.test.ts: ${missing}\n`)

const OURS = [process.execPath, join(import.meta.dirname, '../../toolkit/main.ts'), 'cli']

interface Ran {
  readonly out: readonly string[]
  readonly events: readonly string[]
  readonly err: readonly string[]
  readonly status: number | null
}

function run(command: readonly string[], input: string): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const [program = '', ...words] = command
    const child = spawn(program, words, { stdio: 'pipe' })
    let out = ''
    let err = ''
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString('latin1')))
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString('latin1')))
    child.on('error', reject)
    child.on('close', (status) => {
      // Behind an error of `setAcl -R` Java prints no newline, we do.
      const text = out.replace('/cli/aclAuth', '/cli/acl\nAuth')
      const lines = text.split('\n').map(normal)
      const events = lines.filter(isEvent)
      const complaints = err
        .split('\n')
        .map(normal)
        .filter((line) => !line.startsWith('SLF4J'))
      resolve({
        out: lines.filter((line) => !isEvent(line) && !BETWEEN.has(line)),
        events,
        err: complaints,
        status,
      })
    })
    child.stdin.on('error', () => {})
    child.stdin.end(input)
  })
}

/** Lines around an event, among which another thread may print. */
const BETWEEN: ReadonlySet<string> = new Set(['', 'WATCHER::'])

function isEvent(line: string): boolean {
  return line.startsWith('WatchedEvent ')
}

function normal(line: string): string {
  return line
    .replace(/^([cmp]Zxid) = 0x(?!0$)[0-9a-f]+$/, '$1 = 0xN')
    .replace(/^ephemeralOwner = 0x(?!0$)[0-9a-f]+$/, 'ephemeralOwner = 0xN')
    .replace(/^([cm]time) = (?!Thu Jan 01)(\w{3} \w{3} \d\d) \d\d:\d\d:\d\d/, '$1 = $2 TIME')
    .replace(/ zxid: \d+$/, ' zxid: N')
    .replace(/(\/one-)\d+/g, '$1N')
    .replace(/^(ZooKeeper CLI version: 3\.9\.5).*/, '$1')
}

/** Beyond the recordings. */
const MORE = `
get -x /x
create /x "two words" world:anyone:cdrwa,world:x
create /x 'it''s'
create /x 'single "quoted"'
get /x
get -x /x
set /x ümlaut
get /x
get -b /x
set -b /x AAECA2hlbGxvIHdvcmxkIDEyMzQ1Njc4OTAK/w==
get -x /x
set -sb /x aGVsbG8
set /x -v 99 y
set -v
set -v -s /x y
set -v=99 /x y
set /x -- -dash
get /x
create -es /x/a-
create -sR /x/b
create -s /x/
ls /x/
ls x
ls -zR /x
ls --foo /x
ls -s=3 /x
ls -sR /x
ls -s /x watch
stat /x watch
get /x watch
delete /x/nope 3
delete -v=77 /x
setquota -n 5 -b 100 /x
setquota -n 5 -n 6 /x
listquota /x
setquota -b 2 /x
setquota -N 99 /x
setquota -b -1 /x
setquota -n 99999999999 /x
setquota -n 1 /zookeeper/quota/x
setquota -n 1 /
setquota -n 1 bad
setquota /x -n
setquota -n 5
delquota -n -b /x
delquota -b /x
listquota /x
delquota /x
delquota /x
listquota /
getAcl /x
setAcl /x world:anyone:cdrwaz
setAcl /x world:anyone:cdrwa,,
setAcl /x ,
getAcl -s /x
setAcl -R /x world:anyone:cdrwa
setAcl -v 1 /x world:anyone:cdrwa
setAcl /x
create /x/a,b d digest:a,b:cdrwa
create /x/dig d digest:some:thing=:rw
getAcl /x/dig
reconfig -adds x
reconfig -add x
reconfig -v zz -add x
reconfig -file /nonexistent -members x
removewatches -p /x
removewatches -c /x
get -w /x
ls -w /x
removewatches -c /x
removewatches -d /x
removewatches -d /x
stat -w /x/nope
create /x/nope later
addWatch /x
removewatches -p /x
create /x/deep
create /x/deep/er
removewatches -r /x
addWatch -m persistent /x
removewatches -r /x
create /x/last
removewatches -p /x
addWatch
addWatch /x /y
getEphemerals bad
getEphemerals /nothing
getAllChildrenNumber bad
getAllChildrenNumber
sync
sync bad
printwatches off
set /x unseen
printwatches
printwatches on
   
 whoami x y
version x
config -x
history
redo
redo 3
redo 99
addauth
close x
close
history
version
whoami
redo 1
connect
deleteall /x
delete /x/dig
deleteall /x/deep -b 1
deleteall /x -b 0
deleteall /x -b x
deleteall bad
deleteall
get /x
unknown word
quit
`

describe.skipIf(missing !== null)("our shell and Apache's on an Apache server", () => {
  let folder: string
  let server: ServerProcess
  let servers: string

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'howdah-cli-apache-'))
    const flags = ['-Dzookeeper.extendedTypesEnabled=true']
    server = await ServerProcess.start(apache(flags), { folder, port: await freePort() })
    servers = server.connectString
  })
  afterAll(async () => {
    await server.stop()
    rmSync(folder, { recursive: true })
  })

  async function both(words: readonly string[], input = ''): Promise<[Ran, Ran]> {
    const theirs = await run([...apacheCli(), '-server', servers, ...words], input)
    const ours = await run([...OURS, '-server', servers, ...words], input)
    return [theirs, ours]
  }

  const recorded = readFileSync(join(GOLDEN, 'client/zkcli-interactive.txt'), 'latin1')
    .split('\n')
    .filter((line) => line.startsWith('$ ') && !line.startsWith('$ ('))
    .map((line) => line.slice(2).replace('127.0.0.1:21800', ''))
    .join('\n')

  test.each([
    ['the recorded session', `${recorded}\n`],
    ['the rest of its options and errors', MORE],
  ])('%s', async (_name, input) => {
    const [theirs, ours] = await both([], input)
    expect(ours).toEqual(theirs)
  })

  test.each([
    ['ls /'],
    ['ls -R /zookeeper'],
    ['ls /none'],
    ['get'],
    ['nosuch'],
    ['create -s /one- x'],
    ['create /zookeeper x'],
    ['get -s /zookeeper'],
    ['delete -v 3 /zookeeper'],
    ['delete /none'],
    ['sync bad'],
    ['version'],
    ['whoami'],
    ['config -s'],
    ['redo 5'],
    ['-r ls /'],
    ['-timeout 5000 -waitforconnection ls /'],
  ])('%s', async (line) => {
    const [theirs, ours] = await both(line.split(' '))
    // The process may end before the event of its connection is out.
    expect({ ...ours, events: [] }).toEqual({ ...theirs, events: [] })
  })

  test('a chroot that is not there, and one that is', async () => {
    await run([...OURS, '-server', servers, 'create', '/app', 'root'], '')
    servers = `${server.connectString}/app`
    const script = 'create /a x\nls -R /\nget -w /a\nset /a y\nsetquota -n 1 /a\nget /\nquit\n'
    const [theirs] = await both([], script)
    await run([...OURS, '-server', servers, 'deleteall', '/a'], '')
    await run([...OURS, '-server', servers, 'deleteall', '/zookeeper'], '')
    const ours = await run([...OURS, '-server', servers], script)
    expect(ours).toEqual(theirs)
    servers = `${server.connectString}/none`
    const [theirFailure, ourFailure] = await both(['ls', '/'])
    expect(ourFailure).toEqual(theirFailure)
    servers = server.connectString
  })

  test('nobody listens: ConnectionLoss, and 1', async () => {
    const away = `127.0.0.1:${await freePort()}`
    const theirs = await run([...apacheCli(), '-server', away, 'ls', '/'], '')
    const ours = await run([...OURS, '-server', away, 'ls', '/'], '')
    expect(ours).toEqual(theirs)
  })
})
