/**
 * `howdah.saslUsersFile`: SASL users as lines `name:password`, without JAAS.
 *
 *     # comments and empty lines are passed over
 *     bob:secret
 *
 * The password is everything behind the first colon, blanks included. No problem shows a line.
 */
import type { Problem } from './problem.ts'

export function parseSaslUsers(
  text: string,
  file: string,
): { users: Map<string, string>; problems: Problem[] } {
  const users = new Map<string, string>()
  const problems: Problem[] = []
  for (const [index, row] of text
    .replace(/^\uFEFF/, '')
    .split(/\r\n|\n|\r/)
    .entries()) {
    if (row.trim() === '' || row.startsWith('#')) continue
    const place = { file, line: index + 1, column: 1 }
    const colon = row.indexOf(':')
    const name = row.slice(0, colon).trim()
    if (colon < 0 || name === '' || colon === row.length - 1) {
      problems.push({ ...place, what: 'no SASL user', expected: 'NAME:PASSWORD' })
    } else if (users.has(name)) {
      problems.push({ ...place, what: `the SASL user ${name} is there twice` })
    } else users.set(name, row.slice(colon + 1))
  }
  return { users, problems }
}
