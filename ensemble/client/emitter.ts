/** A list of listeners for one kind of event; errors of a listener surface as uncaught exceptions. */
export class Emitter<T> {
  readonly #listeners = new Set<(value: T) => void>()

  /** Calls `listener` for each value from now on, until the returned function is called. */
  add(listener: (value: T) => void): () => void {
    // A wrapper, so that one function added twice is called twice and removed once.
    const entry = (value: T) => listener(value)
    this.#listeners.add(entry)
    return () => {
      this.#listeners.delete(entry)
    }
  }

  emit(value: T): void {
    for (const listener of Array.from(this.#listeners)) callOut(() => listener(value))
  }
}

/**
 * Runs code of the caller from within the client. A throw there is the caller's bug: it must not
 * stop the client half way through a reply, and must not be swallowed either.
 */
export function callOut(run: () => void): void {
  try {
    run()
  } catch (error) {
    // Nobody handles it: Node reports an unhandled rejection and, by default, ends the process.
    void Promise.reject(error)
  }
}
