/** Wall time as text, without a clock of its own: milliseconds since the Unix epoch to ISO 8601. */

const DAY_MS = 86_400_000

/** For example `2026-11-21T03:00:00.000Z`. Days to a date by H. Hinnant's civil_from_days. */
export function isoTime(wallMs: number): string {
  const days = Math.floor(wallMs / DAY_MS)
  const ofDay = Math.floor(wallMs - days * DAY_MS)
  const shifted = days + 719_468
  const era = Math.floor(shifted / 146_097)
  const dayOfEra = shifted - era * 146_097
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  )
  const dayOfYear =
    dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153)
  const day = dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  const date = `${pad(year, 4)}-${pad(month, 2)}-${pad(day, 2)}`
  const hours = Math.floor(ofDay / 3_600_000)
  const minutes = Math.floor(ofDay / 60_000) % 60
  const seconds = Math.floor(ofDay / 1000) % 60
  return `${date}T${pad(hours, 2)}:${pad(minutes, 2)}:${pad(seconds, 2)}.${pad(ofDay % 1000, 3)}Z`
}

/** Milliseconds since the Unix epoch, or null when the text is no ISO 8601 time in UTC. */
export function parseIsoTime(text: string): number | null {
  const match = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,3}))?Z$/.exec(text)
  if (match === null) return null
  const [year, month, day, hours, minutes, seconds] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ] // the expression has exactly these groups
  const y = month <= 2 ? year - 1 : year
  const era = Math.floor(y / 400)
  const yearOfEra = y - era * 400
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1
  const dayOfEra =
    yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear
  const days = era * 146_097 + dayOfEra - 719_468
  const millis = Number((match[7] ?? '0').padEnd(3, '0'))
  return days * DAY_MS + hours * 3_600_000 + minutes * 60_000 + seconds * 1000 + millis
}

function pad(value: number, width: number): string {
  return String(value).padStart(width, '0')
}
