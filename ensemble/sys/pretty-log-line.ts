/**
 * A JSON line of the log as a person reads it: `12:00:01.123 info  leading sid=1 epoch=5`.
 *
 * The stack of an error is shown only with HOWDAH_DEBUG=1; its message always. Control characters
 * of values are escaped, so that what a peer sent cannot drive the terminal.
 */

const COLOURS: Record<string, string> = {
  fatal: '\u001B[41;97m',
  error: '\u001B[31m',
  warn: '\u001B[33m',
  info: '\u001B[32m',
  debug: '\u001B[2m',
}
const DIM = '\u001B[2m'
const PLAIN = '\u001B[0m'

export interface PrettyOptions {
  colours?: boolean
  stacks?: boolean
}

/** Lines that are not JSON (another program's) are returned as they are. */
export function prettyLine(line: string, options: PrettyOptions = {}): string {
  const parsed = parse(line)
  if (parsed === null) return line
  const paint = (colour: string, text: string) =>
    options.colours === true ? colour + text + PLAIN : text
  const { time, level, msg, pid: _, error, err, ...fields } = parsed
  const parts: string[] = []
  if (typeof time === 'string') parts.push(paint(DIM, localTime(time)))
  const label = typeof level === 'string' ? level : 'info'
  parts.push(paint(COLOURS[label] ?? '', label.padEnd(5)))
  if (typeof msg === 'string') parts.push(escaped(msg))
  for (const [name, value] of Object.entries(fields)) {
    parts.push(paint(DIM, `${name}=`) + shown(value))
  }
  const failure = (error ?? err) as { message?: unknown; stack?: unknown } | undefined
  if (failure !== undefined) {
    const text = typeof failure === 'object' ? (failure?.message ?? failure) : failure
    parts.push(paint(DIM, 'error=') + shown(text))
  }
  const showStacks = options.stacks ?? process.env['HOWDAH_DEBUG'] === '1'
  const hasStack = typeof failure === 'object' && typeof failure?.stack === 'string'
  const stack = showStacks && hasStack ? `\n${paint(DIM, String(failure.stack))}` : ''
  return `${parts.join(' ')}${stack}\n`
}

function parse(line: string): Record<string, unknown> | null {
  if (!line.startsWith('{')) return null
  try {
    return JSON.parse(line) as Record<string, unknown>
  } catch {
    return null
  }
}

function localTime(iso: string): string {
  const time = new Date(iso)
  if (Number.isNaN(time.getTime())) return iso
  const two = (value: number) => String(value).padStart(2, '0')
  const milliseconds = String(time.getMilliseconds()).padStart(3, '0')
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}.${milliseconds}`
}

function shown(value: unknown): string {
  if (typeof value !== 'string') return escaped(JSON.stringify(value))
  return escaped(/^[^\s"=]+$/.test(value) ? value : JSON.stringify(value))
}

function escaped(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what it looks for
  return text.replace(/[\u0000-\u001F\u007F-\u009F]/g, (character) =>
    JSON.stringify(character)
      .slice(1, -1)
      .replace(/^[^\\]$/, '?'),
  )
}
