/**
 * What is wrong in a file that a person wrote: the place, what it is about, what was found and what
 * was expected. `got` is always the text as written, never what a `${…}` in it stands for (S-16).
 */
export interface Problem {
  readonly file: string
  readonly line: number
  readonly column: number
  readonly what: string
  readonly got?: string | undefined
  readonly expected?: string | undefined
  /** The word that was probably meant. */
  readonly suggestion?: string | undefined
}

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
  return `${file}:${line}:${column}: ${escaped(what)}${detail}${hint}`
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
  const lower = word.slice(0, 64).toLowerCase()
  let best: string | undefined
  let bestDistance = Math.max(lower.length > 1 ? 1 : 0, Math.floor(lower.length / 3)) + 1
  for (const candidate of candidates) {
    const distance = editDistance(lower, candidate.toLowerCase())
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** Insertions, deletions, replacements and swaps of neighbours that lead from one word to the other. */
function editDistance(left: string, right: string): number {
  let beforePrevious: number[] = []
  let previous = Array.from({ length: right.length + 1 }, (_, column) => column)
  for (let row = 1; row <= left.length; row++) {
    const current = [row]
    for (let column = 1; column <= right.length; column++) {
      const isEqual = left[row - 1] === right[column - 1]
      let least = Math.min(
        previous[column]! + 1,
        current[column - 1]! + 1,
        previous[column - 1]! + (isEqual ? 0 : 1),
      )
      const isSwap = left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1]
      if (row > 1 && column > 1 && isSwap) least = Math.min(least, beforePrevious[column - 2]! + 1)
      current.push(least)
    }
    beforePrevious = previous
    previous = current
  }
  return previous[right.length]!
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
