/**
 * The recordings of 3.8.0 played to Apache 3.9.5: what it answers otherwise is declared, and nothing
 * else is. So the list that our server is held to (test/ensemble/server/recordings.test.ts) is true.
 *
 * Skips aloud where there is no Java or no Maven.
 */
import { expect, test } from 'vitest'
import { apacheMissing } from '../support/apache.ts'
import { expectationsOf } from '../support/replay/differences.ts'
import { recordings } from '../support/replay/recordings.ts'
import { replay } from '../support/replay/replay.ts'
import { apacheServer } from '../support/twin-servers.ts'

const missing = apacheMissing()
if (missing !== null) process.stderr.write(`SKIPPED test/interop/recordings.test.ts: ${missing}\n`)

test.skipIf(missing !== null).each(recordings)(
  'Apache 3.9.5 answers $file as recorded, or as declared',
  async (recording) => {
    await using server = await apacheServer(recording)
    expect(await replay(recording, server, expectationsOf(recording.file, 'apache'))).toEqual([])
  },
)
