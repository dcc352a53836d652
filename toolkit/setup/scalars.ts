/** The scalars of the YAML: text with a pattern, numbers, durations, sizes, choices, templates. */
import { didYouMean } from './problem.ts'
import type { JsonSchema, PlainType, Refusal, Scalar } from './shape.ts'

type Outcome<T> = { value: T } | Refusal

/** Refused, with nothing to add to what the shape expects. */
const refused: Refusal = {}

function scalar<T>(
  name: string,
  expected: string,
  json: JsonSchema,
  parse: (text: string, plain: PlainType) => Outcome<T>,
): Scalar<T> {
  return { kind: 'scalar', name, expected, json, parse }
}

function pattern(name: string, expected: string, accepts: RegExp): Scalar<string> {
  const json = { type: 'string', pattern: accepts.source }
  return scalar(name, expected, json, (text) => (accepts.test(text) ? { value: text } : refused))
}

export const text = scalar<string>('text', 'text', { type: 'string' }, (value) =>
  value === '' ? refused : { value },
)

export const flag = scalar<boolean>(
  'true or false',
  'true or false',
  { type: 'boolean' },
  (value) => (value === 'true' || value === 'false' ? { value: value === 'true' } : refused),
)

export function integer(least: number, most: number): Scalar<number> {
  const expected = `a whole number from ${least} to ${most}`
  const json = { type: 'integer', minimum: least, maximum: most }
  return scalar('number', expected, json, (value) => {
    if (!/^-?\d{1,15}$/.test(value)) return refused
    const number = Number(value)
    return number >= least && number <= most ? { value: number } : refused
  })
}

export const port = integer(1, 65535)

const DURATION = /^(\d{1,12})(ms|s|m|h)$/
const DURATION_UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const

/** Milliseconds. A number without a unit is refused: nobody agrees on what it would mean. */
export const duration = scalar<number>(
  'duration',
  'a duration with its unit, such as 500ms, 5s or 2m',
  { type: 'string', pattern: DURATION.source },
  (value) => {
    const match = DURATION.exec(value)
    if (match === null) return refused
    // The pattern allows these units only.
    const ms = Number(match[1]) * DURATION_UNIT_MS[match[2] as keyof typeof DURATION_UNIT_MS]
    if (ms === 0) return { what: 'a duration of zero', expected: 'at least 1ms' }
    return ms <= 2 ** 31 - 1 ? { value: ms } : { expected: 'at most 24 days' }
  },
)

const SIZE = /^(\d{1,9})(B|KiB|MiB|GiB)$/
const SIZE_UNIT_BYTES = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 } as const

/** Bytes. */
export const size = scalar<number>(
  'size',
  'a size with its unit, such as 512B, 64KiB or 1MiB',
  { type: 'string', pattern: SIZE.source },
  (value) => {
    const match = SIZE.exec(value)
    if (match === null) return refused
    // The pattern allows these units only.
    return { value: Number(match[1]) * SIZE_UNIT_BYTES[match[2] as keyof typeof SIZE_UNIT_BYTES] }
  },
)

/** @param comingLater words of the format behind which nothing exists yet */
export function choice<const T extends string>(
  words: readonly T[],
  comingLater: readonly string[] = [],
): Scalar<T> {
  const expected = words.length === 1 ? `"${words[0]}"` : `one of ${words.join(', ')}`
  return scalar<T>('choice', expected, { enum: [...words] }, (value) => {
    const word = words.find((candidate) => candidate === value)
    if (word !== undefined) return { value: word }
    if (comingLater.includes(value)) return { what: `"${value}" is not available yet` }
    return { suggestion: didYouMean(value, words) }
  })
}

const PROTOTYPE_NAMES: readonly string[] = ['__proto__', 'constructor', 'prototype']

/** A name that becomes part of a znode path, a file name and a URL. */
export const name: Scalar<string> = scalar(
  'name',
  'a name of letters, digits, ".", "_" and "-" that starts with a letter or digit (at most 63)',
  { type: 'string', pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$' },
  (value) =>
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(value) && !PROTOTYPE_NAMES.includes(value)
      ? { value }
      : refused,
)

/** A zoo.cfg key. */
export const propertyName: Scalar<string> = scalar(
  'key',
  'a key of zoo.cfg',
  { type: 'string', pattern: '^[A-Za-z0-9][A-Za-z0-9._-]*$' },
  (value) =>
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(value) && !PROTOTYPE_NAMES.includes(value)
      ? { value }
      : refused,
)

/** The number of a server, as in `myid`. */
export const sid = pattern(
  'server number',
  'a server number from 1 to 255',
  /^([1-9]|[1-9]\d|1\d\d|2[0-4]\d|25[0-5])$/,
)

const HOST_NAME =
  '[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*'
const IPV6 = '[0-9a-fA-F]*:[0-9a-fA-F:.]+'

/** A host name or address, strict enough to be put into an argument or URL (S-19). */
export const host = pattern(
  'host',
  'a host name or an IP address',
  new RegExp(`^(${HOST_NAME}|${IPV6})$`),
)

/** Where to listen: `127.0.0.1:8108`, `[::1]:8108`. */
export const listenAddress = pattern(
  'address',
  'an address with its port, such as 127.0.0.1:8108',
  new RegExp(`^(${HOST_NAME}|\\[${IPV6}\\]):\\d{1,5}$`),
)

/** A ZooKeeper connect string. */
export const connectString = pattern(
  'connect string',
  'servers as host:port, separated by commas, with an optional path: zk1:2181,zk2:2181/app',
  new RegExp(
    `^(${HOST_NAME}|\\[${IPV6}\\])(:\\d{1,5})?(,(${HOST_NAME}|\\[${IPV6}\\])(:\\d{1,5})?)*(/[^\\s,]*)?$`,
  ),
)

/** What a template may speak of. */
export const PLACEHOLDERS = {
  member: ['member', 'host', 'port', 'pid', 'role', 'token', 'reason'],
  fencing: [
    'self.member',
    'self.host',
    'self.port',
    'target.member',
    'target.host',
    'target.port',
    'target.token',
    'token',
  ],
} as const satisfies Record<string, readonly string[]>

export type TemplateScope = keyof typeof PLACEHOLDERS

/** Text with `{placeholders}`; in fencing a plain `{host}` would leave open whose host is meant. */
export function template(scope: TemplateScope): Scalar<string> {
  const known: readonly string[] = PLACEHOLDERS[scope]
  const expected = `text, in which ${known.map((word) => `{${word}}`).join(' ')} are replaced`
  return scalar<string>('text', expected, { type: 'string' }, (value) => {
    for (const [, word = ''] of value.matchAll(/\{([A-Za-z][\w.]*)\}/g)) {
      if (known.includes(word)) continue
      const what = `unknown placeholder {${word}}`
      const listed = known.map((candidate) => `{${candidate}}`).join(' ')
      const isAmbiguous = scope === 'fencing' && known.includes(`target.${word}`)
      const meant = isAmbiguous ? `target.${word}` : didYouMean(word, known)
      return {
        what: isAmbiguous ? `{${word}} does not say whose: the fencer's or the target's` : what,
        expected: listed,
        suggestion: meant === undefined ? undefined : `{${meant}}`,
      }
    }
    return { value }
  })
}

/** As `template`, for an `http:` or `https:` URL. */
export function urlTemplate(scope: TemplateScope): Scalar<string> {
  const base = template(scope)
  return scalar<string>(
    'URL',
    "a URL such as 'http://{host}:{port}/health'",
    base.json,
    (value, plain) => {
      const outcome = base.parse(value, plain)
      if (!('value' in outcome)) return outcome
      const sample = value.replace(/\{[A-Za-z][\w.]*\}/g, '1')
      if (!/^https?:\/\//.test(value) || !URL.canParse(sample)) return refused
      return outcome
    },
  )
}
