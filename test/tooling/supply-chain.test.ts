/** Packages of others, by the lock file: fixed bytes, one registry, few, free licences, no scripts (S-22). */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

interface Locked {
  readonly version?: string
  readonly resolved?: string
  readonly integrity?: string
  readonly license?: string
  readonly dev?: boolean
  readonly hasInstallScript?: boolean
  readonly dependencies?: Readonly<Record<string, string>>
}

const ROOT = join(import.meta.dirname, '../..')
const text = readFileSync(join(ROOT, 'package-lock.json'), 'utf8')
const { packages } = JSON.parse(text) as { packages: Readonly<Record<string, Locked>> }
const others = Object.entries(packages).filter(([path]) => path !== '')
const shipped = others.filter(([, { dev }]) => dev !== true)

/** Free to use and to pass on; what is only for development may also be under MPL-2.0. */
const LICENCES = new Set([
  'MIT',
  'ISC',
  '0BSD',
  'BSD-3-Clause',
  'Apache-2.0',
  '(BSD-3-Clause OR GPL-2.0)',
])

function pathsOf(entries: readonly (readonly [string, Locked])[]): string[] {
  return entries.map(([path]) => path)
}

test('every package comes from the registry, with a hash of its bytes (S-22)', () => {
  const loose = others.filter(
    ([, { resolved, integrity }]) =>
      // Without an address it is the registry's.
      integrity?.startsWith('sha512-') !== true ||
      resolved?.startsWith('https://registry.npmjs.org/') === false,
  )
  expect(pathsOf(loose)).toEqual([])
})

test('only the Node that tests run with has an install script, and no user gets it (S-22)', () => {
  const scripted = others.filter(([, { hasInstallScript }]) => hasInstallScript === true)
  expect(pathsOf(scripted)).toEqual(['node_modules/node'])
  expect(packages['node_modules/node']?.dev).toBe(true)
})

test('what users get is a handful of packages with exact versions and free licences (S-22)', () => {
  const direct = Object.entries(packages['']?.dependencies ?? {})
  expect(direct.length).toBeLessThanOrEqual(8)
  expect(direct.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([])
  expect(shipped.length).toBeLessThanOrEqual(80)
  const odd = shipped.filter(([, { license = 'none' }]) => !LICENCES.has(license))
  expect(pathsOf(odd)).toEqual([])
})

test('packages for development are free, too (S-22)', () => {
  const odd = others.filter(
    ([, { license = 'none' }]) => !LICENCES.has(license) && license !== 'MPL-2.0',
  )
  expect(pathsOf(odd)).toEqual([])
})
