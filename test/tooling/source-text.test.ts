/** The reading of sources that test/structure.test.ts relies on. */
import { expect, test } from 'vitest'
import { blankOut, importsOf } from '../support/source-text.ts'

test.each([
  ['a // Date\nb', 'a        \nb'],
  ['f(\'Date\', "x\\"y")', 'f(\'    \', "    ")'],
  ['/* Date */ Date', '           Date'],
  ['`a ${Date} b` + Date', '`  ${Date}  ` + Date'],
  ['`${{ a: `${Date}` }.a}x`', '`${{ a: `${Date}` }.a} `'],
  [
    'x = /["\'/]Date/.test(y)',
    'x = /        /.test(y)'.replace('        ', ' '.repeat(8)).replace('/ ', '/ '),
  ],
  ['x = /["\'/]Date/.test(y)', 'x = / /.test(y)'],
  ['a / b / Date', 'a / b / Date'],
  ["'😀' + Date", "' ' + Date"],
])('%j without comments, strings and regular expressions is %j', (text, expected) => {
  expect(blankOut(text)).toHaveLength(text.length)
  expect(blankOut(text).replaceAll(/ +/g, ' ')).toBe(expected.replaceAll(/ +/g, ' '))
})

test('imports are found, and those of types told apart', () => {
  const text = `
import { a } from './a.ts'
import type { B } from './b.ts'
import './c.ts'
export * from './d.ts'
export type { E } from './e.ts'
import {
  f,
  type G,
} from 'f'
const late = await import('./late.ts')
// import './comment.ts'
/* import './comment.ts' */
const text = "import './text.ts'"
`
  expect(importsOf(text)).toEqual([
    { specifier: './a.ts', typeOnly: false },
    { specifier: './b.ts', typeOnly: true },
    { specifier: './c.ts', typeOnly: false },
    { specifier: './d.ts', typeOnly: false },
    { specifier: './e.ts', typeOnly: true },
    { specifier: 'f', typeOnly: false },
    { specifier: './late.ts', typeOnly: false },
  ])
})
