/**
 * Assertions, always on: what a step relies on and what it promises.
 *
 * A failed one is a bug of ours: the process logs it as fatal and exits, its peers carry on. Never
 * assert on what a client, a peer or an operator sent.
 */
export class AssertionError extends Error {
  override readonly name = 'AssertionError'
}

/** Throws unless `condition` holds; `invariant` states what must be true. */
export function assert(condition: boolean, invariant: string): asserts condition {
  if (!condition) throw new AssertionError(`broken invariant: ${invariant}`)
}

/** Closes a switch over a union: a compile error when a variant is missing, a throw at run time. */
export function unreachable(value: never): never {
  throw new AssertionError(`unexpected variant: ${JSON.stringify(value)}`)
}
