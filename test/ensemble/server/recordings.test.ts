/**
 * Every conversation of real clients with Apache's server that one server can give, played to our server
 * over TCP: the same answers, frame by frame, once session ids, passwords, zxids and times are those of
 * this run. What may differ is in `test/support/replay/differences.ts`, and only that.
 */
import { expect, test } from 'vitest'
import { clientFrames, goldenFiles } from '../../support/golden.ts'
import { differences, expectationsOf } from '../../support/replay/differences.ts'
import { needEnsemble, recordings } from '../../support/replay/recordings.ts'
import { replay } from '../../support/replay/replay.ts'
import { ourServer } from '../../support/twin-servers.ts'

test.each(recordings)('$file is answered as recorded', async (recording) => {
  await using server = await ourServer(recording)
  const answers = clientFrames(`${recording.file}.jsonl`).filter(({ dir }) => dir === 's2c')
  expect(answers.length).toBeGreaterThan(2)
  expect(await replay(recording, server, expectationsOf(recording.file, 'ours'))).toEqual([])
})

test('every recording is played, or needs an ensemble', () => {
  const played = recordings.map(({ file }) => `${file}.jsonl`)
  expect([...played, ...needEnsemble.map((file) => `${file}.jsonl`)].toSorted()).toEqual(
    goldenFiles('client'),
  )
})

test('every difference is of a recording that is played', () => {
  const played = new Set(recordings.map(({ file }) => file))
  expect(differences.filter(({ file }) => !played.has(file))).toEqual([])
})
