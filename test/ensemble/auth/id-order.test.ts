/** The order of ids, as Apache's server 3.9.5 showed it on the same connection. */
import { expect, test } from 'vitest'
import { inMapOrder } from '../../../ensemble/auth/id-order.ts'

const ip = { scheme: 'ip', id: '127.0.0.1' }
const superuser = { scheme: 'super', id: '' }
const superDigest = { scheme: 'digest', id: 'super:D/InIHSb7yEEbrWz8b9l71RjZJU=' }
const user = { scheme: 'digest', id: 'u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=' }

test.each([
  [[ip, superuser, superDigest, user]],
  [[ip, user, superDigest, superuser]],
  [[superDigest, superuser, ip, user]],
])('super, ip, digests, however they came', (ids) => {
  expect(inMapOrder(ids)).toEqual([superuser, ip, superDigest, user])
})

test('the map grows', () => {
  const many = Array.from({ length: 40 }, (_, at) => ({ scheme: 'digest', id: `u${at}:x` }))
  expect(inMapOrder(many).toSorted((a, b) => many.indexOf(a) - many.indexOf(b))).toEqual(many)
})
