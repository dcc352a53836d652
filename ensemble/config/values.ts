/** How the values of settings are read: as Java reads them, but nothing is guessed. */

/** The value, or what would have been one. */
export type Outcome<T> = { readonly value: T } | { readonly expected: string }
export type Parse<T> = (text: string) => Outcome<T>

const INT_MAX = 2 ** 31 - 1

/** A whole number of 32 bits within bounds, as Integer.parseInt reads it. */
export function int(least: number, most = INT_MAX): Parse<number> {
  const range = most === INT_MAX ? `of at least ${least}` : `from ${least} to ${most}`
  return (text) => {
    const value = /^[+-]?\d{1,16}$/.test(text) ? Number(text) : Number.NaN
    if (value >= least && value <= most) return { value }
    return { expected: `a whole number ${range}` }
  }
}

/** The same beyond 32 bits, as far as a number is exact. */
export function long(least: number): Parse<number> {
  return int(least, Number.MAX_SAFE_INTEGER)
}

/** A number or -1, which stands for "none" or "by default". */
export function intOrNone(least: number): Parse<number> {
  return (text) => {
    const outcome = int(-1)(text)
    if ('value' in outcome && (outcome.value === -1 || outcome.value >= least)) return outcome
    return { expected: `a whole number of at least ${least}, or -1` }
  }
}

export const positive = int(1)
export const natural = int(0)
export const port = int(1, 65535)
export const portOrOff = int(0, 65535)

/** A port; 0 stands for none. */
export const portOrNone: Parse<number | null> = (text) => {
  const outcome = portOrOff(text)
  return 'value' in outcome && outcome.value === 0 ? { value: null } : outcome
}

export const decimal: Parse<number> = (text) => {
  const value = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text) ? Number(text) : Number.NaN
  return Number.isFinite(value) ? { value } : { expected: 'a number' }
}

/** Java takes anything but `true` for false in system properties; a typo is an error here. */
export const flag: Parse<boolean> = (text) => {
  const lower = text.toLowerCase()
  if (lower === 'true' || lower === 'false') return { value: lower === 'true' }
  return { expected: 'true or false' }
}

export const yesNo: Parse<boolean> = (text) => {
  const lower = text.toLowerCase()
  if (lower === 'yes' || lower === 'no') return { value: lower === 'yes' }
  return { expected: 'yes or no' }
}

export const text: Parse<string> = (value) => (value === '' ? { expected: 'some text' } : { value })

/** A name, an IPv4 address, or an IPv6 address with or without brackets (which are dropped). */
export const host: Parse<string> = (value) => {
  const bare = /^\[(.*)\]$/.exec(value)?.[1] ?? value
  return isHost(bare) ? { value: bare } : { expected: 'a host name or address' }
}

export function isHost(value: string): boolean {
  return value.includes(':')
    ? /^[0-9a-fA-F:.]+(%[\w.-]+)?$/.test(value)
    : /^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?$/.test(value)
}

/** Words between commas; blanks around them are dropped. */
export const words: Parse<readonly string[]> = (value) => ({
  value: Object.freeze(
    value
      .split(',')
      .map((word) => word.trim())
      .filter((word) => word !== ''),
  ),
})

/** One of a few words, in any case; the spelling given here is the value. */
export function choice<const T extends string>(...choices: readonly T[]): Parse<T> {
  return (value) => {
    const found = choices.find((known) => known.toLowerCase() === value.toLowerCase())
    return found === undefined
      ? { expected: choices.filter((known) => known !== '').join(' or ') }
      : { value: found }
  }
}

const CRON_FIELDS = [
  { name: 'second', least: 0, most: 59, words: [] },
  { name: 'minute', least: 0, most: 59, words: [] },
  { name: 'hour', least: 0, most: 23, words: [] },
  { name: 'day of the month', least: 1, most: 31, words: [] },
  {
    name: 'month',
    least: 1,
    most: 12,
    words: 'jan feb mar apr may jun jul aug sep oct nov dec'.split(' '),
  },
  { name: 'day of the week', least: 0, most: 7, words: 'sun mon tue wed thu fri sat'.split(' ') },
] as const

/** Five fields of cron text, or six with seconds in front. */
export const cron: Parse<string> = (text) => {
  const fields = text.trim().split(/\s+/)
  if (fields.length < 5 || fields.length > 6) {
    return { expected: 'five fields: minute, hour, day of the month, month, day of the week' }
  }
  for (const [index, field] of fields.entries()) {
    const { name, least, most, words } = CRON_FIELDS[index + 6 - fields.length]!
    const numberOf = (word: string): number => {
      const named = words.findIndex((known) => known === word.toLowerCase())
      return named >= 0 ? named + least : /^\d{1,2}$/.test(word) ? Number(word) : Number.NaN
    }
    const isPart = (part: string): boolean => {
      const match = /^(\*|(\w+)(?:-(\w+))?)(?:\/([1-9]\d?))?$/.exec(part)
      if (match === null) return false
      if (match[1] === '*') return true
      const first = numberOf(match[2] ?? '')
      const last = match[3] === undefined ? first : numberOf(match[3])
      return first >= least && last <= most && first <= last
    }
    if (!field.split(',').every(isPart)) {
      return {
        expected: `for the ${name}: *, numbers from ${least} to ${most}, ranges, lists or */n`,
      }
    }
  }
  return { value: fields.join(' ') }
}
