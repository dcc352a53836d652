/** What is wrong, or worth knowing, in a configuration: the place, what was found and expected. */
export interface Problem {
  readonly file: string
  /** From 1; 0 where there is no line: something is missing. */
  readonly line: number
  readonly column: number
  readonly what: string
  /** Text as it was written; never that of a secret. */
  readonly got?: string | undefined
  readonly expected?: string | undefined
  /** What was probably meant. */
  readonly suggestion?: string | undefined
  /** Allowed, and dangerous: whoever runs this must have meant it. */
  readonly isDanger?: true
}

/** The candidate closest to `word`, if it is close enough to have been meant. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  const lower = word.slice(0, 64).toLowerCase()
  let best: string | undefined
  let bestDistance = Math.max(1, Math.floor(lower.length / 5)) + 1
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - lower.length) >= bestDistance) continue
    const distance = editDistance(lower, candidate.toLowerCase())
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** Insertions, deletions, replacements and swaps of neighbours between two words. */
function editDistance(left: string, right: string): number {
  let beforePrevious: number[] = []
  let previous = Array.from({ length: right.length + 1 }, (_, column) => column)
  for (let row = 1; row <= left.length; row++) {
    const current = [row]
    for (let column = 1; column <= right.length; column++) {
      const replaced = previous[column - 1]! + (left[row - 1] === right[column - 1] ? 0 : 1)
      let least = Math.min(previous[column]! + 1, current[column - 1]! + 1, replaced)
      const isSwap =
        row > 1 && left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1]
      if (isSwap) least = Math.min(least, beforePrevious[column - 2]! + 1)
      current.push(least)
    }
    beforePrevious = previous
    previous = current
  }
  return previous[right.length]!
}
