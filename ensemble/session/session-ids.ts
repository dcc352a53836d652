/**
 * Ids of new sessions: the server's id in the top byte, then wall-clock time, then a count.
 *
 * Uniqueness does not rest on a clock that restarts with the host (N-12): the first id is above every
 * id that an earlier run gave out, and every id of this server that the recovered state knows,
 * whatever the wall clock says (I-55).
 * Source: SessionTrackerImpl#initializeNextSessionId, 3.9.5 (client-protocol 1.5).
 */
const LOW_56_BITS = (1n << 56n) - 1n
const CONTAINER_MARK = -(1n << 63n)

export class SessionIds {
  #next: bigint

  /**
   * @param floor low 56 bits below which earlier runs gave out ids
   * @param known ids in use: of sessions, and of owners of ephemerals
   */
  constructor(options: {
    serverId: number
    wallMs: number
    floor?: bigint
    known: Iterable<bigint>
  }) {
    const top = BigInt(options.serverId & 0xff) << 56n
    let low = ((BigInt(options.wallMs) << 24n) & 0xffff_ffff_ffff_ffffn) >> 8n
    low &= LOW_56_BITS
    if (options.floor !== undefined && options.floor > low) low = options.floor
    for (const id of options.known) {
      const unsigned = BigInt.asUintN(64, id)
      if (unsigned >> 56n === top >> 56n && (unsigned & LOW_56_BITS) >= low) {
        low = (unsigned & LOW_56_BITS) + 1n
      }
    }
    this.#next = BigInt.asIntN(64, top | low)
    if (this.#next === CONTAINER_MARK) this.#next += 1n
  }

  next(): bigint {
    return this.#next++
  }
}
