/** A tree's digest while it changes: the sum of its nodes' digests modulo 2^64, in two numbers. */
export class DigestSum {
  #high = 0
  #low = 0

  get value(): bigint {
    return (BigInt(this.#high) << 32n) | BigInt(this.#low)
  }

  set(value: bigint): void {
    this.#high = Number(BigInt.asUintN(64, value) >> 32n)
    this.#low = Number(value & 0xffff_ffffn)
  }

  /** @param digest of one node, unsigned 32 bits */
  add(digest: number): void {
    const low = this.#low + digest
    this.#low = low >>> 0
    if (low >= 0x1_0000_0000) this.#high = (this.#high + 1) >>> 0
  }

  subtract(digest: number): void {
    const low = this.#low - digest
    this.#low = low >>> 0
    if (low < 0) this.#high = (this.#high - 1) >>> 0
  }
}
