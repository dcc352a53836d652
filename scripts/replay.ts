/** Plays recordings to a server, and prints where it answers otherwise than recorded and declared. */
import { expectationsOf } from '../test/support/replay/differences.ts'
import { recordings } from '../test/support/replay/recordings.ts'
import { replay } from '../test/support/replay/replay.ts'
import { apacheServer, ourServer } from '../test/support/twin-servers.ts'

const HELP = `Usage: node scripts/replay.ts ours|apache [RECORDING…]

Plays the recordings of test/golden/client (all that one server can give) to a fresh server each: ours,
or Apache's, for which java and mvn are needed. Prints every answer that is neither as recorded nor as
declared in test/support/replay/differences.ts.
`

const [who, ...files] = process.argv.slice(2)
if (who !== 'ours' && who !== 'apache') {
  process.stdout.write(HELP)
} else {
  for (const recording of recordings) {
    const { file } = recording
    if (files.length > 0 && !files.includes(file)) continue
    await using server = await (who === 'ours' ? ourServer : apacheServer)(recording)
    const found = await replay(recording, server, expectationsOf(file, who))
    process.stdout.write(`${file}: ${found.length === 0 ? 'as expected' : ''}\n`)
    for (const { line, expected, answered } of found) {
      process.stdout.write(
        `  line ${line}\n    expected ${expected.join('\n             ')}\n    answered ${answered.join('\n             ')}\n`,
      )
    }
  }
}
