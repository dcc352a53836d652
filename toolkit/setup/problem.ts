/** Problems of files that a person wrote, as `howdah` prints them. */
import { nearest, type Problem } from '../../ensemble/config/index.ts'

export type { Problem }

const SHOWN_CHARACTERS_MAX = 120

/** `file:line:column: what: got X, expected Y; did you mean "Z"?`, on one line. */
export function formatProblem(problem: Problem): string {
  const { file, line, column, what, got, expected, suggestion } = problem
  const found = [
    ...(got === undefined ? [] : [`got ${printable(got)}`]),
    ...(expected === undefined ? [] : [`expected ${expected}`]),
  ]
  const detail = found.length === 0 ? '' : `: ${found.join(', ')}`
  const hint = suggestion === undefined ? '' : `; did you mean "${printable(suggestion)}"?`
  // Line 0: something is missing, and has no place.
  const place = line === 0 ? file : `${file}:${line}:${column}`
  return `${place}: ${escaped(what)}${detail}${hint}`
}

/** Text of a stranger made safe for one line on a terminal, and cut short (S-21). */
export function printable(text: string): string {
  const safe = escaped(text)
  return safe.length > SHOWN_CHARACTERS_MAX ? `${safe.slice(0, SHOWN_CHARACTERS_MAX)}…` : safe
}

function escaped(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, (character) =>
    character === '\n' ? '\\n' : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** The candidate closest to `word`, if it is close enough to have been meant. */
export function didYouMean(word: string, candidates: Iterable<string>): string | undefined {
  return word.length < 2 ? undefined : nearest(word, candidates)
}

/** Settings are wrong: every problem is listed, each with its place. */
export class SetUpError extends Error {
  override readonly name = 'SetUpError'
  readonly problems: readonly Problem[]

  constructor(problems: readonly Problem[]) {
    super(problems.map(formatProblem).join('\n'))
    this.problems = problems
  }
}
