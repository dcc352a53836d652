/**
 * A measure whose distribution matters: how often, how much in all, least, most and percentiles.
 *
 * `add` is on the path of every request: it counts in plain numbers and allocates nothing once the
 * histogram exists. The histogram is exact up to 63 and within 1.6 % above, where Apache keeps a
 * random sample of 4,096 values; like Apache's, it never forgets.
 * Source: AvgMinMaxCounter, AvgMinMaxPercentileCounter, 3.9.5.
 */

/** Values per power of two: how fine the histogram is. */
const STEPS = 64
/** Up to 2^31, above that everything is the last step. */
const SLOTS = STEPS * 27
const VALUE_MAX = 2 ** 31 - 1

export class Summary {
  count = 0
  sum = 0
  #min = Number.MAX_SAFE_INTEGER
  #max = 0
  /** Zeros are `count` minus all that is in here: most latencies are 0, and cost no more than a sum. */
  #histogram: Uint32Array | null = null
  readonly #hasPercentiles: boolean

  constructor({ hasPercentiles = true } = {}) {
    this.#hasPercentiles = hasPercentiles
  }

  /** @param value whole and not negative */
  add(value: number): void {
    this.count++
    if (value < this.#min) this.#min = value
    if (value === 0) return
    this.sum += value
    if (value > this.#max) this.#max = value
    if (!this.#hasPercentiles) return
    this.#histogram ??= new Uint32Array(SLOTS)
    this.#histogram[slotOf(value)]!++
  }

  get min(): number {
    return this.count === 0 ? 0 : this.#min
  }

  get max(): number {
    return this.#max
  }

  /** Rounded to four decimals, as Apache prints it. */
  get average(): number {
    return this.count === 0 ? 0 : Math.round((this.sum / this.count) * 10_000) / 10_000
  }

  /** The least value that `ratio` of all values do not exceed; 0 when there are none. */
  quantile(ratio: number): number {
    if (this.count === 0 || !this.#hasPercentiles) return 0
    const rank = Math.max(1, Math.ceil(ratio * this.count))
    const histogram = this.#histogram
    if (histogram === null) return 0
    let above = 0
    for (let slot = SLOTS - 1; slot > 0; slot--) {
      above += histogram[slot]!
      if (this.count - above < rank) return Math.min(lastOf(slot), this.#max)
    }
    return 0
  }
}

/** Summaries without percentiles, by a key that comes from data; a bound on the keys, so that data cannot fill memory. */
export class SummarySet {
  readonly #byKey = new Map<string, Summary>()
  readonly #keysMax: number

  constructor({ keysMax = 1000 } = {}) {
    this.#keysMax = keysMax
  }

  /** The summary of a key; beyond the bound, that of no key at all: null. */
  of(key: string): Summary | null {
    let summary = this.#byKey.get(key)
    if (summary === undefined) {
      if (this.#byKey.size >= this.#keysMax) return null
      this.#byKey.set(key, (summary = new Summary({ hasPercentiles: false })))
    }
    return summary
  }

  entries(): Iterable<[string, Summary]> {
    return this.#byKey
  }
}

function slotOf(value: number): number {
  if (value < STEPS) return value
  const bounded = value > VALUE_MAX ? VALUE_MAX : value
  const power = 31 - Math.clz32(bounded) - 5
  return power * (STEPS / 2) + (bounded >>> power)
}

/** The greatest value that goes into `slot`. */
function lastOf(slot: number): number {
  if (slot < STEPS) return slot
  const power = Math.floor(slot / (STEPS / 2)) - 1
  const first = slot - power * (STEPS / 2)
  return (first + 1) * 2 ** power - 1
}
