/**
 * The text of a quota node: `count=3,bytes=100=;byteHardLimit=-1;countHardLimit=20`.
 *
 * The `=` behind the bytes keeps readers of 3.4 from seeing the rest. Source: StatsTrack, 3.9.5.
 */
import { CliError } from './cli-error.ts'
import { compareText } from './option-parser.ts'

export type LimitName = 'count' | 'bytes' | 'countHardLimit' | 'byteHardLimit'

export class Limits {
  readonly #values = new Map<string, bigint>()

  /** @throws CliError when somebody else wrote the node */
  static parse(text: string, path: string): Limits {
    const limits = new Limits()
    for (const pair of text.split(/[,;]+/)) {
      if (pair === '') continue
      const [name = '', value = ''] = pair.split('=')
      if (!/^[+-]?\d*$/.test(value)) throw new CliError(`${path} does not hold a quota`)
      limits.#values.set(name, value === '' ? -1n : BigInt(value.replace('+', '')))
    }
    return limits
  }

  get(name: LimitName): bigint {
    return this.#values.get(name) ?? -1n
  }

  set(name: LimitName, value: bigint): this {
    this.#values.set(name, value)
    return this
  }

  text(): string {
    const others = Array.from(this.#values)
      .filter(([name]) => name !== 'count' && name !== 'bytes')
      .toSorted(([a], [b]) => compareText(a, b))
      .map(([name, value]) => `;${name}=${value}`)
    const separator = others.length > 0 ? '=' : ''
    return `count=${this.get('count')},bytes=${this.get('bytes')}${separator}${others.join('')}`
  }
}
