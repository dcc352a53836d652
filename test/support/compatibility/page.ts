/**
 * docs/compatibility.md: what a client, a script and an operator find here of Apache ZooKeeper 3.9.5, made
 * from the tables of the server, the declared deviations, and what the tests compare.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { commands } from '../../../ensemble/admin/commands.ts'
import { fourLetterWords } from '../../../ensemble/admin/four-letter-words.ts'
import { knownKeys, type Setting } from '../../../ensemble/config/index.ts'
import { Code } from '../../../ensemble/protocol/error-codes.ts'
import { opTable } from '../../../ensemble/protocol/op-table.ts'
import { leastCoverage, leastCoverageOfOthers } from '../../interop/differential/least-coverage.ts'
import { clientFrames, GOLDEN } from '../golden.ts'
import { differences } from '../replay/differences.ts'
import { needEnsemble, recordings } from '../replay/recordings.ts'
import { deviations, type Deviation } from './deviations.ts'
import { programs } from './programs.ts'

const all: readonly Deviation[] = Object.values(deviations)

export function compatibilityPage(): string {
  return `# Compatibility with Apache ZooKeeper 3.9.5

<!-- Made by \`scripts/documents.ts\` from the tables of the server and of the tests, and held to them by a test. -->

For those who run Apache ZooKeeper and think of running this server in its place: what is the same, what is
not, and how that is known. **Same** means that a test compares it with a live Apache 3.9.5, or with recordings
of a real server, byte for byte once ids, passwords, zxids and times are those of the run. The one list of what
is not the same is below; a difference that is not in it fails the tests.

What is here is one server. An ensemble of several is not there yet: a \`zoo.cfg\` with several servers is
refused. What a lone server of Apache's ignores (local sessions, read-only mode, the eager ACL check) is ignored
here as well.

| how it is compared | with what | by |
|---|---|---|
| a random stream of good and bad requests of several sessions, in lock-step, every reply and event; also across restarts of both servers | a live 3.9.5 | \`test/interop/differential.test.ts\` |
| conversations of real clients, recorded, played again | recordings of 3.8.0, and what 3.9.5 answers otherwise, proven live | \`test/ensemble/server/recordings.test.ts\`, \`test/interop/recordings.test.ts\` |
| connections used oddly, sessions that end, lists and paths that are very long | a live 3.9.5 | \`test/interop/edges.test.ts\` |
| expiry of sessions, reaping of containers and TTL nodes | a live 3.9.5 | \`test/interop/differential-time.test.ts\` |
| data directories: each server starts on the other's | a live 3.9.5 | \`test/interop/store-apache.test.ts\` |
| four-letter words | a live 3.9.5 | \`test/interop/words.test.ts\` |
| admin commands | recordings of 3.8.0 and the additions of 3.9 | \`test/ensemble/admin\` |
| clients and systems of others, unchanged | their own checks | \`test/interop/clients.test.ts\`, \`test/interop/systems.test.ts\` |

## What is not the same

*Better*: you gain by it, and no client that works with Apache's server can tell. *Different*: a choice, or
something that a tool could notice.

| | | here | Apache 3.9.5 | shown by |
|---|---|---|---|---|
${rows(all.map((one) => [labelOf(one), one.verdict, one.ours, one.apache, code(one.proof)]))}

## Operations

The codes are those with which the operation was answered, alike, by both servers in the differential run; a run
that does not reach all of them fails.

| code | operation | answers compared | |
|---:|---|---|---|
${rows(operationRows())}

Every other number is answered with UNIMPLEMENTED, and the connection is closed, as by Apache.

## Four-letter words

Allowed by \`4lw.commands.whitelist\`, with Apache's default: \`srvr\` alone.

| word | |
|---|---|
${rows(fourLetterWords.map((word) => [code(word), verdictOf((one) => one.words?.includes(word))]))}

## Commands of the admin server

Over HTTP, at \`/commands\`, with Apache's names, fields and order of fields; the short names are aliases.

| command | aliases | |
|---|---|---|
${rows(commandRows())}

## Configuration

\`zoo.cfg\` files and \`-D\` properties of Apache's are read as they are; \`howdah check zoo.cfg\` says what is wrong
in one and what has no effect. Settings for what is not there yet stop the start with file and line, where serving
without them would mislead.

| keys of zoo.cfg and system properties | | |
|---|---:|---|
${rows(configurationRows())}

The YAML of a whole set-up is another format: [configuration.md](configuration.md).

## Clients and systems

| program | version | what runs | by |
|---|---|---|---|
${rows(programs.map(({ name, version, what, test }) => [name, version, what, code(test)]))}

## Recordings

${recordings.length} recorded conversations with ${recordings.reduce((sum, { file }) => sum + framesOf(file), 0)} answers, played to a fresh server each. Not played, since they
need an ensemble: ${needEnsemble.map(code).join(', ')}.

| recording | client | answers | |
|---|---|---:|---|
${rows(recordings.map(({ file }) => [code(file), clientOf(file), String(framesOf(file)), replayed(file)]))}
`
}

function operationRows(): string[][] {
  return Object.entries(opTable)
    .filter(([name]) => !['notification', 'error'].includes(name))
    .toSorted(([, a], [, b]) => a.code - b.code)
    .map(([name, { code: number }]) => {
      const answers = answersOf(name, number)
      const verdict = verdictOf((one) => one.ops?.includes(name))
      const own = answers.length === 0 ? verdict.replace('same, but ', '') : verdict
      return [String(number), code(name), answers.join(', '), own]
    })
}

/** As the differential run saw them, most frequent first. */
function answersOf(name: string, number: number): string[] {
  const seen = [leastCoverage, leastCoverageOfOthers].flatMap(({ often, seldom }) => [
    ...often,
    ...seldom,
  ])
  const own = (kind: string): string[] =>
    seen.filter((line) => line.startsWith(`${kind}: `)).map((line) => line.slice(kind.length + 2))
  const inMulti = own(`multi/${name}`).filter((answer) => Object.hasOwn(Code, answer))
  const found = new Set([...own(name), ...inMulti])
  if (found.size === 0 && own(`unknown op ${number}`).length > 0) found.add('unimplemented')
  return [...found]
}

function commandRows(): string[][] {
  const named = [
    ...commands.map(({ name, aliases }) => ({ name, aliases })),
    { name: 'restore', aliases: ['rest'] },
    { name: 'snapshot', aliases: ['snap'] },
  ].toSorted((a, b) => (a.name < b.name ? -1 : 1))
  return named.map(({ name, aliases }) => [
    code(name),
    aliases.map(code).join(', '),
    verdictOf((one) => one.commands?.includes(name)),
  ])
}

function configurationRows(): string[][] {
  const keys: readonly (readonly [string, Setting<unknown>])[] = [...knownKeys]
    .filter(([name]) => !name.startsWith('howdah.'))
    .map(([name, { setting }]) => [name, setting])
  const idle = keys.filter(([, { isUnused }]) => isUnused === true)
  const between = keys.filter(
    ([, { isForEnsembles, isUnused }]) => isForEnsembles === true && isUnused !== true,
  )
  const effective = keys.length - idle.length - between.length
  return [
    ['works', String(effective), ''],
    [
      'matters between servers only: a lone server has no use for it, Apache’s neither',
      String(between.length),
      '',
    ],
    [
      'accepted with a note: it tunes threads, caches or classes of Java that are not here, or an audit log (no-audit)',
      String(idle.length),
      idle.map(([name]) => code(name)).join(', '),
    ],
  ]
}

function framesOf(file: string): number {
  return clientFrames(`${file}.jsonl`).filter(({ dir, bytes }) => dir === 's2c' && bytes.length > 0)
    .length
}

function clientOf(file: string): string {
  const [first = '{}'] = readFileSync(join(GOLDEN, 'client', `${file}.jsonl`), 'utf8').split('\n')
  return (JSON.parse(first) as { client: string }).client
}

function replayed(file: string): string {
  const own = differences.filter((one) => one.file === file)
  if (own.length === 0) return 'same'
  return own
    .map((one) => {
      if (one.by === 'both') return `same as 3.9.5: ${one.reason}`
      return `${deviations[one.deviation].verdict}: ${labelOf(deviations[one.deviation])}`
    })
    .join('; ')
}

function verdictOf(isOfIt: (one: Deviation) => boolean | undefined): string {
  const found = all.filter((one) => isOfIt(one) === true)
  if (found.length === 0) return 'same'
  return `same, but ${found.map((one) => `${labelOf(one)} (${one.verdict})`).join(', ')}`
}

/** A name that no other deviation moves: `wrongPassword` is wrong-password. */
function labelOf(one: Deviation): string {
  const [name = ''] = Object.entries(deviations).find(([, other]) => other === one) ?? []
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}

function code(text: string): string {
  return `\`${text}\``
}

function rows(lines: readonly (readonly string[])[]): string {
  return lines
    .map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\\|')).join(' | ')} |`)
    .join('\n')
}
