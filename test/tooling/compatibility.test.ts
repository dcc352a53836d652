/** docs/compatibility.md against the tables that it is made from, and its proofs. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { commands } from '../../ensemble/admin/commands.ts'
import { fourLetterWords } from '../../ensemble/admin/four-letter-words.ts'
import { opTable } from '../../ensemble/protocol/op-table.ts'
import { deviations, type Deviation } from '../support/compatibility/deviations.ts'
import { compatibilityPage } from '../support/compatibility/page.ts'
import { programs } from '../support/compatibility/programs.ts'

const ROOT = join(import.meta.dirname, '../..')
const all: readonly Deviation[] = Object.values(deviations)

test('docs/compatibility.md is up to date', () => {
  const page = readFileSync(join(ROOT, 'docs/compatibility.md'), 'utf8')
  expect(page, 'run `node scripts/documents.ts`').toBe(compatibilityPage())
})

test('deviations and programs name tests that exist', () => {
  const proofs = [...all.map(({ proof }) => proof), ...programs.map(({ test: path }) => path)]
  expect(proofs.filter((path) => !existsSync(join(ROOT, path)))).toEqual([])
})

test('deviations name operations, words and commands that exist', () => {
  const commandNames = new Set([...commands.map(({ name }) => name), 'restore', 'snapshot'])
  const unknown = all.flatMap(({ ops = [], words = [], commands: named = [] }) => [
    ...ops.filter((name) => !Object.hasOwn(opTable, name)),
    ...words.filter((word) => !fourLetterWords.includes(word)),
    ...named.filter((name) => !commandNames.has(name)),
  ])
  expect(unknown).toEqual([])
})
