/** The syntax of paths. Source: PathUtils.java, 3.9.5, rules and texts; client-protocol 4.4. */
import { describe, expect, test } from 'vitest'
import { join, nameOf, parentOf, validatePath } from '../../../ensemble/protocol/paths.ts'

describe('validatePath (X-4)', () => {
  test.each([
    '/',
    '/a',
    '/a/b',
    '/...',
    '/.a',
    '/a.',
    '/a..b',
    '/..a/b',
    '/a /b',
    '/é漢',
    '/\u0020',
    '/\u007e',
    '/\u00a0',
    '/\ud7ff',
    '/\uf900',
    '/\uffef',
    `/${'x'.repeat(5000)}`,
  ])('%j is a path', (path) => {
    expect(validatePath(path)).toBeNull()
  })

  test.each([
    [null, 'Path cannot be null'],
    ['', 'Path length must be > 0'],
    ['a', 'Path must start with / character'],
    ['a/b', 'Path must start with / character'],
    ['//', 'Path must not end with / character'],
    ['/a/', 'Path must not end with / character'],
    ['//a', 'Invalid path string "//a" caused by empty node name specified @1'],
    ['/a//b', 'Invalid path string "/a//b" caused by empty node name specified @3'],
    ['/.', 'Invalid path string "/." caused by relative paths not allowed @1'],
    ['/./a', 'Invalid path string "/./a" caused by relative paths not allowed @1'],
    ['/a/.', 'Invalid path string "/a/." caused by relative paths not allowed @3'],
    ['/..', 'Invalid path string "/.." caused by relative paths not allowed @2'],
    ['/a/../b', 'Invalid path string "/a/../b" caused by relative paths not allowed @4'],
    ['/a\0b', 'Invalid path string "/a\0b" caused by null character not allowed @2'],
  ])('%j is none', (path, problem) => {
    expect(validatePath(path)).toBe(problem)
  })

  test.each([
    '\u0001',
    '\u001f',
    '\u007f',
    '\u009f',
    '\ud800',
    '\udfff',
    '\ue000',
    '\uf8ff',
    '\ufff0',
    '\uffff',
    '😀',
  ])('X-3 the character %j is forbidden', (character) => {
    const path = `/a${character}`
    expect(validatePath(path)).toBe(`Invalid path string "${path}" caused by invalid character @2`)
  })

  test('a sequential path may end with a slash, for a number follows', () => {
    expect(validatePath('/a/', true)).toBeNull()
    expect(validatePath('/', true)).toBeNull()
    expect(validatePath('', true)).toBe('Path must start with / character')
  })
})

test.each([
  ['/a', '/', 'a'],
  ['/a/b', '/a', 'b'],
  ['/a/b/c', '/a/b', 'c'],
])('%s is in %s and named %s', (path, parent, name) => {
  expect(parentOf(path)).toBe(parent)
  expect(nameOf(path)).toBe(name)
  expect(join(parent, name)).toBe(path)
})

test('the root has neither parent nor name', () => {
  expect([parentOf('/'), nameOf('/')]).toEqual(['', ''])
})
