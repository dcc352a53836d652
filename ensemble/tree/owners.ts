/**
 * Who owns nodes: sessions (ephemerals), and the marks of container and TTL nodes. A node keeps a
 * small number in place of the 64-bit owner; 0 is "nobody".
 *
 * Invariants: an owner is listed exactly as long as it has nodes; `nodes` of an owner holds exactly
 * the nodes that carry its number.
 * Source: client-protocol 4.5 (EphemeralType, 3.9.5).
 */

export const CONTAINER_OWNER = -0x8000_0000_0000_0000n
const TTL_TOP_BYTE = 0xff
/** Longest time to live, in milliseconds. */
export const TTL_MAX = 0xff_ffff_ffffn

export type OwnerKind = 'session' | 'container' | 'ttl'

export function ttlOwner(ttl: bigint): bigint {
  return BigInt.asIntN(64, 0xff00_0000_0000_0000n | ttl)
}

/** The time to live that the owner of a TTL node carries, in milliseconds. */
export function ttlOf(owner: bigint): number {
  return Number(owner & TTL_MAX)
}

type Owner = { readonly value: bigint; readonly kind: OwnerKind; readonly nodes: Set<number> }

export class Owners {
  readonly #extendedTypes: boolean
  readonly #owners: (Owner | null)[] = [null]
  readonly #numbers = new Map<bigint, number>()
  readonly #free: number[] = []
  #ephemeralCount = 0

  constructor(extendedTypes: boolean) {
    this.#extendedTypes = extendedTypes
  }

  /** Ephemeral nodes of all sessions. */
  get ephemeralCount(): number {
    return this.#ephemeralCount
  }

  valueOf(number: number): bigint {
    return number === 0 ? 0n : this.#owners[number]!.value
  }

  isSession(number: number): boolean {
    return number !== 0 && this.#owners[number]!.kind === 'session'
  }

  kindOf(value: bigint): OwnerKind {
    if (value === CONTAINER_OWNER) return 'container'
    const topByte = Number(BigInt.asUintN(64, value) >> 56n)
    return this.#extendedTypes && topByte === TTL_TOP_BYTE ? 'ttl' : 'session'
  }

  /** Notes that `node` belongs to `value` and returns the number to keep in the node. */
  attach(node: number, value: bigint): number {
    if (value === 0n) return 0
    let number = this.#numbers.get(value)
    if (number === undefined) {
      number = this.#free.pop() ?? this.#owners.length
      this.#owners[number] = { value, kind: this.kindOf(value), nodes: new Set() }
      this.#numbers.set(value, number)
    }
    const owner = this.#owners[number]!
    owner.nodes.add(node)
    if (owner.kind === 'session') this.#ephemeralCount++
    return number
  }

  detach(node: number, number: number): void {
    if (number === 0) return
    const owner = this.#owners[number]!
    owner.nodes.delete(node)
    if (owner.kind === 'session') this.#ephemeralCount--
    if (owner.nodes.size > 0) return
    this.#owners[number] = null
    this.#numbers.delete(owner.value)
    this.#free.push(number)
  }

  nodesOf(value: bigint): ReadonlySet<number> {
    const number = this.#numbers.get(value)
    return number === undefined ? NO_NODES : this.#owners[number]!.nodes
  }

  *valuesOf(kind: OwnerKind): Generator<bigint> {
    for (const owner of this.#owners) if (owner?.kind === kind) yield owner.value
  }

  /** The value behind each number, as it is now. */
  values(): bigint[] {
    return this.#owners.map((owner) => owner?.value ?? 0n)
  }
}

const NO_NODES: ReadonlySet<number> = new Set()
