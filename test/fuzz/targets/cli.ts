/** lines typed into `howdah cli`, and options before them, with characters and words changed. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { acl, connect } from '../../../ensemble/client/index.ts'
import { startServer } from '../../../ensemble/server/index.ts'
import { silent } from '../../../ensemble/sys/logger.ts'
import { CliError } from '../../../toolkit/cli/cli-error.ts'
import { parseLaunchOptions } from '../../../toolkit/cli/launch-options.ts'
import { CliSession } from '../../support/cli-session.ts'
import { mutateText } from '../mutate.ts'
import { must, randomOf, type Target } from '../target.ts'

const INPUTS = 60
/** Not those that wait for a person, leave for another server, or write files. */
const LINES = [
  'ls /', 'ls -s -w /a', 'ls -R /', 'create /a data', 'create -e -s /a/b "two words"', 'create -t 5000 /t x',
  'create -c /c', "create /q 'single' world:anyone:r", 'get -s /a', 'get -b -w /a', 'set -v 0 /a new', 'set -s /a x',
  'stat -w /a', 'delete -v 1 /a', 'deleteall /a -b 10', 'getAcl -s /a', 'setAcl -R /a world:anyone:cdrwa',
  'setAcl /a ip:10.0.0.0/8:r,digest:u:x:cdrwa', 'addauth digest u:p', 'whoami', 'config -c', 'sync /', 'history',
  'redo 1', 'version', 'getEphemerals /', 'getAllChildrenNumber /', 'setquota -n 5 -b 10 /a', 'listquota /a',
  'delquota -N /a', 'addWatch -m PERSISTENT /a', 'removewatches -a /a', 'tree /', 'find / -name "*"', 'du /', 'help',
  'reconfig -add server.1=a:1:2;3', 'printwatches off', 'nosuch', '', 'get /own', 'set /own x', 'delete /own',
] // prettier-ignore
const EXCLUDED = /^\s*(export|import|watch|connect|close|quit|exit)\b/i
const OPTIONS = [
  '-server',
  '127.0.0.1:1',
  '-timeout',
  '500',
  '-r',
  '-waitforconnection',
  'ls',
  '/',
  '--',
  '-x',
]

export const cli: Target = {
  name: 'cli',
  about: 'lines of the shell: an answer or one reason, never a stack, and the shell goes on',
  seeds: 3,
  async run(seed) {
    const random = randomOf(seed)
    const folder = mkdtempSync(join(tmpdir(), 'howdah-fuzz-cli-'))
    await using cleaning = new AsyncDisposableStack()
    cleaning.defer(() => rmSync(folder, { recursive: true, force: true }))
    const settings = { clientPort: 0, clientPortAddress: '127.0.0.1', tickTimeMs: 500 }
    const server = cleaning.use(
      await startServer({ ...settings, dataDir: join(folder, 'data') }, silent),
    )
    const servers = `127.0.0.1:${server.clientPort}`
    const auth = [{ scheme: 'digest', auth: 'bystander:secret' }]
    const bystander = cleaning.use(await connect(servers, { auth }))
    // A node with a child goes only with it, and nobody else may delete that.
    await bystander.create('/own', 'mine', { acl: acl.creatorAll })
    await bystander.create('/own/child', null, { acl: acl.creatorAll })
    const session = cleaning.use(await new CliSession(servers).connected())
    for (let at = 0; at < INPUTS; at++) {
      const typed = random.pick(LINES)
      const drawn = random.below(5) === 0 ? typed : mutateText(random, typed, random.pick(LINES))
      const line = drawn.replaceAll('\n', ' ')
      if (EXCLUDED.test(line)) continue
      const { all, goesOn } = await session.run(line)
      const say = (what: string) => (): string => `${what}: ${JSON.stringify({ line, all })}`
      must(!all.some((text) => /^\s+at .*:\d+:\d+\)?$/.test(text)), say('a stack'))
      must(goesOn, say('the shell ended'))
      const { exitCode } = session.shell
      must(Number.isInteger(exitCode) && exitCode >= 0 && exitCode < 256, say(`exit ${exitCode}`))
      const isSaid = exitCode === 0 || all.length > 0 || line.trim() === ''
      must(isSaid, say('a failure without a word'))

      const { data } = await bystander.get('/own')
      must(data?.toString() === 'mine', say("the bystander's node"))
      launch(random)
    }
    const { out } = await session.run('version')
    must(out.length > 0, 'the shell answers in the end')
    return 2 * INPUTS
  },
}

/** The words before a command: options, or one reason why not. */
function launch(random: ReturnType<typeof randomOf>): void {
  const words = OPTIONS.filter(() => random.below(3) !== 0).map((word) => {
    return random.below(3) === 0 ? mutateText(random, word) : word
  })
  try {
    parseLaunchOptions(words)
  } catch (error) {
    if (!(error instanceof CliError)) throw error
    must(error.message !== '', 'a reason')
  }
}
