/**
 * The one error of bytes we cannot read: who sent them is disconnected, a file that holds them is
 * refused. It says where (`offset`, absolute in the buffer that was read) and in which record.
 */
export class WireError extends Error {
  override readonly name = 'WireError'
  /** Position in the buffer at which reading failed. */
  readonly offset: number
  /** Innermost declared record being read; empty outside of any. */
  record = ''

  constructor(what: string, offset: number) {
    super(`${what} at offset ${offset}`)
    this.offset = offset
  }

  /** Names the record being read; the innermost one wins, as errors pass outwards. */
  within(record: string): this {
    if (this.record === '') {
      this.record = record
      this.message = `${record}: ${this.message}`
    }
    return this
  }
}
