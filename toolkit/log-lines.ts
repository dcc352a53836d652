/**
 * Log lines for people: JSON lines of our daemons (and of any pino program) become
 * `12:00:01.250 warn  message  name=value …`; any other text stays as it is, made safe for a terminal.
 */
import { styleText } from 'node:util'

const LEVELS: Readonly<Record<number, string>> = {
  10: 'trace',
  20: 'debug',
  30: 'info',
  40: 'warn',
  50: 'error',
  60: 'fatal',
}

/** Known to every reader of the log, or shown in another way. */
const NOT_SHOWN = new Set(
  'level time pid hostname msg v group member service action why sentence text stream'.split(' '),
)

export interface LogLine {
  readonly level: string
  readonly timeMs: number | null
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>>
}

/** null when the line is not a JSON object with a message. */
export function parseLogLine(line: string): LogLine | null {
  if (!line.startsWith('{')) return null
  let fields: Record<string, unknown>
  try {
    // An object, since it begins with a brace.
    fields = JSON.parse(line) as Record<string, unknown>
  } catch {
    return null
  }
  const { msg, level, time } = fields
  if (typeof msg !== 'string') return null
  const name =
    typeof level === 'number' ? LEVELS[level] : typeof level === 'string' ? level : undefined
  const timeMs = typeof time === 'number' ? time : typeof time === 'string' ? Date.parse(time) : NaN
  return {
    level: name ?? 'info',
    timeMs: Number.isFinite(timeMs) ? timeMs : null,
    message: msg,
    fields,
  }
}

/** @param nowMs wall time for lines that carry none */
export function formatLogLine(line: string, options: { colours: boolean; nowMs: number }): string {
  const parsed = parseLogLine(line)
  const paint = painter(options.colours)
  if (parsed === null) return `${paint('dim', clockTime(options.nowMs))} ${safe(line)}`
  const { level, timeMs, message, fields } = parsed
  const shown = Object.entries(fields)
    .filter(([name, value]) => !NOT_SHOWN.has(name) && value !== undefined && value !== null)
    .map(([name, value]) => `${name}=${valueText(value)}`)
  const time = paint('dim', clockTime(timeMs ?? options.nowMs))
  const { from, to } = fields
  if (message === 'role' && typeof from === 'string' && typeof to === 'string') {
    const token = fields['token'] === undefined ? '' : `, token ${valueText(fields['token'])}`
    return `${time} ${paint('bold', safe(`${from} -> ${to}${token}`))}`
  }
  // A decision carries its sentence, and output its text: that is what one wants to read.
  const said = [fields['sentence'], fields['text'], fields['why']].find(
    (value): value is string => typeof value === 'string',
  )
  const about = message === 'decision' ? '' : said === undefined ? message : `${message}: `
  const colour = level === 'warn' ? 'yellow' : level === 'error' || level === 'fatal' ? 'red' : null
  const word = level === 'info' ? '' : `${colour === null ? level : paint(colour, level)} `
  const detail = shown.length === 0 ? '' : `  ${paint('dim', safe(shown.join(' ')))}`
  return `${time} ${word}${safe(about + (said ?? ''))}${detail}`
}

type Colour = 'dim' | 'red' | 'yellow' | 'green' | 'cyan' | 'magenta' | 'blue' | 'bold'

export function painter(colours: boolean): (colour: Colour, text: string) => string {
  return colours
    ? (colour, text) => styleText(colour, text, { validateStream: false })
    : (_colour, text) => text
}

/** Whether colours are wanted on this output: terminals only, and never with NO_COLOR. */
export function wantsColours(io: {
  isTerminal: boolean
  env: Readonly<Record<string, string | undefined>>
}): boolean {
  return io.isTerminal && (io.env['NO_COLOR'] ?? '') === ''
}

function valueText(value: unknown): string {
  if (typeof value === 'string') return /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value)
  if (typeof value === 'object' && value !== null && 'message' in value) {
    return JSON.stringify(value.message)
  }
  return JSON.stringify(value) ?? ''
}

function clockTime(ms: number): string {
  const date = new Date(ms)
  const two = (value: number): string => String(value).padStart(2, '0')
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
  return `${clock}.${String(date.getMilliseconds()).padStart(3, '0')}`
}

/** Control characters of a stranger do not reach the terminal (S-21); tabs become blanks. */
function safe(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, (character) =>
    character === '\t' ? ' ' : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** Cuts chunks into lines; a line without its end is given up at `LINE_CHARACTERS_MAX`. */
export class LineCutter {
  readonly #onLine: (line: string) => void
  readonly #decoder = new TextDecoder()
  #rest = ''

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine
  }

  push(chunk: Buffer): void {
    const lines = (this.#rest + this.#decoder.decode(chunk, { stream: true })).split('\n')
    this.#rest = lines.pop() ?? ''
    for (const line of lines) this.#deliver(line)
    if (this.#rest.length > LINE_CHARACTERS_MAX) {
      this.#deliver(this.#rest)
      this.#rest = ''
    }
  }

  end(): void {
    if (this.#rest !== '') this.#deliver(this.#rest)
    this.#rest = ''
  }

  #deliver(line: string): void {
    const text = line.endsWith('\r') ? line.slice(0, -1) : line
    if (text !== '') this.#onLine(text)
  }
}

const LINE_CHARACTERS_MAX = 64 * 1024
