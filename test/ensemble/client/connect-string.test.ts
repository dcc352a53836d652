/** The connect string. Source: ConnectStringParser, 3.9.5. */
import { expect, test } from 'vitest'
import { parseConnectString } from '../../../ensemble/client/connect-string.ts'

test.each([
  ['a', [['a', 2181]], ''],
  [
    'a:1,b:2',
    [
      ['a', 1],
      ['b', 2],
    ],
    '',
  ],
  [
    ' a:1 , b ',
    [
      ['a', 1],
      ['b', 2181],
    ],
    '',
  ],
  ['a:1/app/x', [['a', 1]], '/app/x'],
  ['a:1/', [['a', 1]], ''],
  [
    '[::1]:7,[fe80::2]',
    [
      ['::1', 7],
      ['fe80::2', 2181],
    ],
    '',
  ],
] as const)('%j is understood', (text, servers, chroot) => {
  const expected = servers.map(([host, port]) => ({ host, port }))
  expect(parseConnectString(text)).toEqual({ servers: expected, chroot })
})

test.each(['', ',', '/app', 'a:0', 'a:70000', 'a:b', '::1', '[::1', 'a:1//x', 'a:1/x/', 'a:1/./x'])(
  '%j is refused with a reason (X-16)',
  (text) => {
    expect(() => parseConnectString(text)).toThrow(
      expect.objectContaining({ code: 'badArguments' }),
    )
  },
)

test('a list of ten thousand servers, and duplicates, are fine (X-16)', () => {
  const list = Array.from({ length: 10_000 }, () => 'host:2181').join(',')
  expect(parseConnectString(list).servers).toHaveLength(10_000)
})
