/** What a server loads at its start: neither fastify nor prom-client, which only HTTP needs. */
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'

test('a server starts without the packages that HTTP needs', () => {
  const root = join(import.meta.dirname, '../../..')
  const packages = new Set<string>()
  const seen = new Set<string>()
  const visit = (file: string): void => {
    if (seen.has(file)) return
    seen.add(file)
    const text = readFileSync(file, 'utf8')
    for (const [, clause, name = ''] of text.matchAll(
      /^(?:import|export) ((?:(?!^import|^export)[^])*?) from '([^']+)'/gm,
    )) {
      if (clause!.startsWith('type ')) continue
      if (name.startsWith('.')) visit(join(dirname(file), name))
      else if (!name.startsWith('node:')) packages.add(name)
    }
  }
  visit(join(root, 'ensemble/server/index.ts'))
  expect(seen.size).toBeGreaterThan(50)
  expect([...packages]).not.toContain('fastify')
  expect([...packages]).not.toContain('prom-client')
})
