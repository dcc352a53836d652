/** Paths as bytes: what is found in one pass, against the same found on strings. */
import { describe, expect, test } from 'vitest'

import { validatePath } from '../../../ensemble/protocol/paths.ts'
import { PathBytes } from '../../../ensemble/tree/path-bytes.ts'
import { HASH_START, hashBytes } from '../../../ensemble/tree/path-index.ts'
import { randomOf } from './random-transactions.ts'

function hashOf(path: string): number {
  const bytes = Buffer.from(path === '/' ? '' : path)
  return hashBytes(HASH_START, bytes, 0, bytes.length)
}

function parentOf(path: PathBytes): string {
  return path.bytes.toString('utf8', path.start, path.parentEnd)
}

describe('a path as bytes', () => {
  test.each(['/a', '/a/b', '/zookeeper/quota/x', '/a b/c', '/a.b/c..', '/ü/x', '/a/日本'])(
    'finds hash, parent and text of %s',
    (text) => {
      const path = PathBytes.of(text)
      const parent = text.slice(0, text.lastIndexOf('/'))
      expect(path.toString()).toBe(text)
      expect(path.hash).toBe(hashOf(text))
      expect(parentOf(path)).toBe(parent)
      expect(path.parentHash).toBe(hashOf(parent))
      expect(path.isValid).toBe(true)
    },
  )

  test('has the root as the empty path, whose parent is itself', () => {
    const root = PathBytes.of('/')
    expect([root.start, root.end, root.slash, root.parentEnd]).toEqual([0, 0, 0, 0])
    expect([root.hash, root.parentHash]).toEqual([HASH_START, HASH_START])
    expect(root.toString()).toBe('/')
    expect(root.isValid).toBe(true)
    expect(root.with('0000000007').toString()).toBe('/0000000007')
  })

  test('tells no path at all from the root', () => {
    const none = PathBytes.of('')
    expect(none.slash).toBe(-1)
    expect(none.toString()).toBe('')
    expect(none.isValid).toBe(false)
  })

  test('sees the root above a name behind two slashes', () => {
    const path = PathBytes.of('//x')
    expect(parentOf(path)).toBe('')
    expect(path.parentHash).toBe(HASH_START)
    expect(path.isValid).toBe(false)
  })

  test('looks at its range and at nothing else', () => {
    const bytes = Buffer.from('/x/y/a/b/z')
    const path = new PathBytes().set(bytes, 4, 8)
    expect(path.toString()).toBe('/a/b')
    expect(path.hash).toBe(hashOf('/a/b'))
    expect(path.slash).toBe(6)
  })

  test('goes on with a number', () => {
    expect(PathBytes.of('/q/n-').with('0000000012').toString()).toBe('/q/n-0000000012')
    expect(PathBytes.of('/q/').with('0000000012').toString()).toBe('/q/0000000012')
  })

  test('knows NUL', () => {
    expect(PathBytes.of('/a\0b').hasNul).toBe(true)
    expect(PathBytes.of('/ab').hasNul).toBe(false)
  })

  test('is plain only where the rules for paths allow it, and else asks them', () => {
    const random = randomOf(7)
    const parts = ['/', '/', 'a', '.', '..', ' ', '\u007f', '\u0001', 'é', '\ud800', '-', 'z9']
    for (let round = 0; round < 5000; round++) {
      let text = ''
      for (let n = random() * 7; n > 0; n--) text += parts[Math.floor(random() * parts.length)]
      // What is no UTF-16 is no UTF-8 either: a path is read from bytes.
      const text8 = Buffer.from(text).toString()
      const path = PathBytes.of(text8)
      expect(path.isValid, JSON.stringify(text8)).toBe(validatePath(text8) === null)
      if (path.isPlain) expect(path.end - path.start).toBe(text8.length)
    }
  })
})
