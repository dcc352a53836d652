/**
 * ACLs by value: a node keeps a small number, equal lists share one.
 *
 * Number 0 is the list of the built-in nodes, world:anyone with all permissions, which is written
 * as -1 on disk; the same list given by a client gets a number of its own. `UNRESOLVED` stands for
 * the id of a snapshot that its ACL table lacks: it lets nobody in until a replayed transaction
 * brings the list. Numbers live as long as a node uses them, and may then be used again: what must
 * outlast that (a snapshot) takes the lists, not the numbers.
 *
 * Source: disk-format 3.2, 5.2 (ReferenceCountedACLCache, 3.9.5).
 */
import { assert } from '../assert.ts'
import type { Acl } from '../protocol/acl.ts'

const ALL_PERMISSIONS = 31

/** world:anyone with all permissions. */
export const OPEN_ACL: readonly Acl[] = [
  { perms: ALL_PERMISSIONS, id: { scheme: 'world', id: 'anyone' } },
]
export const OPEN = 0
export const UNRESOLVED = 1

const NOBODY: readonly Acl[] = [{ perms: 0, id: { scheme: 'world', id: 'anyone' } }]

export class AclTable {
  readonly #lists: (readonly Acl[])[] = [OPEN_ACL, NOBODY]
  readonly #uses: number[] = [0, 0]
  readonly #numbers = new Map<string, number>()
  readonly #free: number[] = []
  /** The list used last: nearly always the one that comes next. */
  #recent = -1

  listOf(number: number): readonly Acl[] {
    return this.#lists[number]!
  }

  usesOf(number: number): number {
    return this.#uses[number]!
  }

  /** The number of an equal list, used once more. */
  use(list: readonly Acl[]): number {
    if (this.#recent >= 0 && isSame(this.#lists[this.#recent]!, list)) {
      this.#uses[this.#recent]!++
      return this.#recent
    }
    const key = keyOf(list)
    let number = this.#numbers.get(key)
    if (number === undefined) {
      number = this.#free.pop() ?? this.#lists.length
      this.#lists[number] = list.map(({ perms, id }) => ({ perms, id: { ...id } }))
      this.#uses[number] = 0
      this.#numbers.set(key, number)
    }
    this.#recent = number
    this.#uses[number]!++
    return number
  }

  useAgain(number: number): void {
    this.#uses[number]!++
  }

  release(number: number): void {
    assert(this.#uses[number]! > 0, 'a list that is released is in use')
    if (--this.#uses[number]! > 0 || number <= UNRESOLVED) return
    this.#numbers.delete(keyOf(this.#lists[number]!))
    this.#free.push(number)
    if (this.#recent === number) this.#recent = -1
  }

  /** The list behind each number that is in use, as it is now; null where it is not. */
  lists(): (readonly Acl[] | null)[] {
    return this.#lists.map((list, number) => (this.#uses[number]! > 0 ? list : null))
  }
}

function isSame(left: readonly Acl[], right: readonly Acl[]): boolean {
  if (left.length !== right.length) return false
  for (let i = 0; i < left.length; i++) {
    const a = left[i]!
    const b = right[i]!
    if (a.perms !== b.perms || a.id.id !== b.id.id || a.id.scheme !== b.id.scheme) return false
  }
  return true
}

function keyOf(list: readonly Acl[]): string {
  return JSON.stringify(list.map(({ perms, id }) => [perms, id.scheme, id.id]))
}
