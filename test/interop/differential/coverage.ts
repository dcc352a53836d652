/**
 * What a run has compared: how often each kind of request was answered with each code, by Apache and by
 * us alike. Parts of a multi count as kinds of their own.
 */
import { Reader } from '../../../ensemble/jute/reader.ts'
import { codeName } from '../../../ensemble/protocol/error-codes.ts'
import { MultiHeader } from '../../../ensemble/protocol/multi.ts'
import { Op } from '../../../ensemble/protocol/op-codes.ts'
import { opEntry } from '../../../ensemble/protocol/op-table.ts'

export class Coverage {
  readonly #counts = new Map<string, Map<string, number>>()

  note(kind: string, outcome: string): void {
    const row = this.#counts.get(kind) ?? new Map<string, number>()
    row.set(outcome, (row.get(outcome) ?? 0) + 1)
    this.#counts.set(kind, row)
  }

  /** @param parts the results of a multi or a multiRead that was answered with any */
  answered(type: number, body: Buffer, err: number, parts: readonly Part[] | null): void {
    const name = opEntry(type)?.name ?? `op ${type}`
    this.note(name, outcomeOf(err))
    const variant = variantOf(type, body)
    if (variant !== null) this.note(`${name}/${variant}`, outcomeOf(err))
    if (parts === null) return
    for (const [index, kind] of partKinds(body, parts.length).entries()) {
      const { type: result, err: own } = parts[index]!
      if (result !== -1) this.note(`${name}/${kind}`, 'ok')
      else this.note(`${name}/${kind}`, own === 0 ? 'rolled back' : outcomeOf(own ?? 0))
    }
  }

  /** One line for each kind, codes by their frequency. */
  table(): string {
    const rows = [...this.#counts].toSorted(([a], [b]) => (a < b ? -1 : 1))
    return rows
      .map(([kind, row]) => {
        const counts = [...row].toSorted(([, a], [, b]) => b - a)
        return `${kind}: ${counts.map(([code, count]) => `${code} ${count}`).join(', ')}\n`
      })
      .join('')
  }

  /** What is required, as `kind: code`, and has not been seen. */
  missing(required: readonly string[]): string[] {
    return required.filter((line) => {
      const at = line.indexOf(': ')
      return !this.#counts.get(line.slice(0, at))?.has(line.slice(at + 2))
    })
  }
}

interface Part {
  readonly type: number
  readonly err?: number
}

/** The mode of a create or a watch. */
function variantOf(type: number, body: Buffer): string | null {
  let request: Readonly<Record<string, unknown>> | undefined
  try {
    request = opEntry(type)?.request?.decode(body) as Record<string, unknown> | undefined
  } catch {
    return null
  }
  if (request === undefined) return null
  if ('flags' in request) return `flag ${String(request['flags'])}`
  if (type === Op.addWatch) return `mode ${String(request['mode'])}`
  const isOfWatches = type === Op.checkWatches || type === Op.removeWatches
  return isOfWatches ? `type ${String(request['type'])}` : null
}

function outcomeOf(err: number): string {
  return codeName(err) ?? String(err)
}

/** Names of the first parts of a multi. */
function partKinds(body: Buffer, count: number): string[] {
  const reader = new Reader(body)
  const kinds: string[] = []
  while (kinds.length < count) {
    const { type } = MultiHeader.read(reader)
    const entry = opEntry(type)
    kinds.push(entry?.name ?? `op ${type}`)
    entry?.request?.read(reader)
  }
  return kinds
}
