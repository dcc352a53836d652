/** Watches: the matrix of events, modes side by side, and what is left afterwards. */
import { describe, expect, test } from 'vitest'

import { Watches, type WatchKind } from '../../../ensemble/tree/watches.ts'

const CREATED = 1
const DELETED = 2
const DATA_CHANGED = 3
const CHILDREN_CHANGED = 4

class Connection {
  readonly name: string
  constructor(name: string) {
    this.name = name
  }
}
const a = new Connection('a')
const b = new Connection('b')

function fired(watches: Watches<Connection>, type: 1 | 2 | 3 | 4, path: string): string {
  const names: string[] = []
  watches.trigger(type, path, (watcher) => names.push(watcher.name))
  return names.toSorted().join(' ')
}

describe('what fires (I-41, I-43, I-44)', () => {
  test.each<[WatchKind, string, string]>([
    ['data', '/p', 'created deleted dataChanged'],
    ['child', '/p', 'deleted childrenChanged'],
    ['persistent', '/p', 'created deleted dataChanged childrenChanged'],
    ['persistentRecursive', '/p', 'created deleted dataChanged'],
    ['data', '/p/below', ''],
    ['child', '/p/below', ''],
    ['persistent', '/p/below', ''],
    ['persistentRecursive', '/p/below', 'created deleted dataChanged'],
    ['persistentRecursive', '/p/below/deeper', 'created deleted dataChanged'],
    ['persistentRecursive', '/pq', ''],
  ])('a %s watch on /p is fired by events on %s: %s', (kind, path, expected) => {
    const events = { created: 1, deleted: 2, dataChanged: 3, childrenChanged: 4 } as const
    const names = Object.entries(events).filter(([, type]) => {
      const watches = new Watches<Connection>()
      watches.add('/p', kind, a)
      return fired(watches, type, path) === 'a'
    })
    expect(names.map(([name]) => name).join(' ')).toBe(expected)
  })

  test('a recursive watch on the root sees every path, but no children event (B-56)', () => {
    const watches = new Watches<Connection>()
    watches.add('/', 'persistentRecursive', a)
    expect(fired(watches, CREATED, '/zookeeper/quota/x')).toBe('a')
    expect(fired(watches, DATA_CHANGED, '/')).toBe('a')
    expect(fired(watches, CHILDREN_CHANGED, '/')).toBe('')
  })

  test('standard watches fire once, persistent ones always', () => {
    const watches = new Watches<Connection>()
    watches.add('/p', 'data', a)
    watches.add('/p', 'persistent', b)
    expect(fired(watches, DATA_CHANGED, '/p')).toBe('a b')
    expect(fired(watches, DATA_CHANGED, '/p')).toBe('b')
    expect(fired(watches, DELETED, '/p')).toBe('b')
    expect(fired(watches, CREATED, '/p')).toBe('b')
  })

  test('firing one table leaves the other', () => {
    const watches = new Watches<Connection>()
    watches.add('/p', 'data', a)
    watches.add('/p', 'child', a)
    expect(fired(watches, CHILDREN_CHANGED, '/p')).toBe('a')
    expect(fired(watches, CHILDREN_CHANGED, '/p')).toBe('')
    expect(fired(watches, DATA_CHANGED, '/p')).toBe('a')
  })

  test('a deletion ends both, with one delivery', () => {
    const watches = new Watches<Connection>()
    watches.add('/p', 'data', a)
    watches.add('/p', 'child', a)
    watches.add('/', 'persistentRecursive', a)
    watches.add('/p', 'persistent', a)
    expect(fired(watches, DELETED, '/p')).toBe('a')
    expect(watches.has('/p', 1, a)).toBe(false)
    expect(watches.has('/p', 2, a)).toBe(false)
    expect(watches.has('/p', 4, a)).toBe(true)
    expect(watches.has('/', 5, a)).toBe(true)
  })

  test('the same watch twice is one', () => {
    const watches = new Watches<Connection>()
    watches.add('/p', 'data', a)
    watches.add('/p', 'data', a)
    expect(watches.count).toBe(1)
    expect(fired(watches, CREATED, '/p')).toBe('a')
    expect(watches.isEmpty).toBe(true)
  })

  test('a watcher may watch again while it is told', () => {
    const watches = new Watches<Connection>()
    watches.add('/p', 'data', a)
    let told = 0
    watches.trigger(DATA_CHANGED, '/p', (watcher) => {
      told++
      watches.add('/p', 'data', watcher)
    })
    expect(told).toBe(1)
    expect(watches.has('/p', 2, a)).toBe(true)
  })
})

describe('checkWatches and removeWatches', () => {
  const kinds: WatchKind[] = ['child', 'data', 'persistent', 'persistentRecursive']
  test.each([
    [1, ['child']],
    [2, ['data']],
    [3, kinds],
    [4, ['persistent']],
    [5, ['persistentRecursive']],
    [6, []],
    [0, []],
  ])('type %i finds and removes %j and leaves the others', (type, expected) => {
    const found = kinds.filter((kind) => {
      const watches = new Watches<Connection>()
      watches.add('/p', kind, a)
      expect(watches.has('/p', type, b)).toBe(false)
      expect(watches.remove('/p', type, b)).toBe(false)
      expect(watches.has('/q', type, a)).toBe(false)
      const has = watches.has('/p', type, a)
      expect(watches.remove('/p', type, a)).toBe(has)
      expect(watches.isEmpty).toBe(has)
      return has
    })
    expect(found).toEqual(expected)
  })

  test('removing one mode keeps the others of the same path (B-56)', () => {
    const watches = new Watches<Connection>()
    for (const kind of kinds) watches.add('/p', kind, a)
    expect(watches.remove('/p', 4, a)).toBe(true)
    expect([1, 2, 4, 5].map((type) => watches.has('/p', type, a))).toEqual([
      true,
      true,
      false,
      true,
    ])
  })
})

describe('numbers', () => {
  test('count both tables, and list the data table', () => {
    const watches = new Watches<Connection>()
    watches.add('/p', 'data', a)
    watches.add('/p', 'child', a)
    watches.add('/q', 'persistent', a)
    watches.add('/q', 'persistentRecursive', b)
    watches.add('/r', 'child', b)
    expect(watches.dataCount).toBe(3)
    expect(watches.count).toBe(6)
    expect(watches.dataPathCount).toBe(2)
    expect(watches.dataWatcherCount).toBe(2)
    expect([...watches.dataWatchesByPath()]).toEqual([
      ['/p', [a]],
      ['/q', [a, b]],
    ])
    expect([...watches.dataWatchesByWatcher()]).toEqual([
      [a, ['/p', '/q']],
      [b, ['/q']],
    ])
    expect(watches.countOf(a)).toBe(2)
  })

  test('nothing is kept of a closed connection (I-45)', () => {
    const watches = new Watches<Connection>()
    for (let i = 0; i < 100; i++) {
      watches.add(`/p${i}`, 'data', a)
      watches.add(`/p${i}`, 'persistentRecursive', a)
      watches.add(`/p${i}/c`, 'child', a)
    }
    watches.add('/p1', 'persistent', b)
    watches.removeWatcher(a)
    expect(watches.count).toBe(2)
    expect(watches.countOf(a)).toBe(0)
    expect(fired(watches, DELETED, '/p1')).toBe('b')
    watches.removeWatcher(b)
    watches.removeWatcher(b)
    expect(watches.isEmpty).toBe(true)
    expect(watches.count).toBe(0)
  })
})
