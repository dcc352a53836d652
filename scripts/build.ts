/**
 * Makes dist/: the JavaScript and the declarations that a package contains (`npm run build`).
 *
 * dist/ is made anew, so that a file that no longer has a source is not shipped. JSON files that lie
 * beside sources (schemas) are copied.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, globSync, rmSync } from 'node:fs'
import { join } from 'node:path'

if (process.argv.includes('--help')) {
  console.log('Usage: npm run build\n\nCompiles ensemble, failover, adapters and toolkit to dist/.')
  process.exit(0)
}

const root = join(import.meta.dirname, '..')
const dist = join(root, 'dist')
rmSync(dist, { recursive: true, force: true })

const compiler = join(root, 'node_modules/typescript/bin/tsc')
const compiled = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
})
if (compiled.status !== 0) {
  console.error('build: the compiler found errors; dist/ is not complete')
  process.exit(1)
}

for (const path of globSync('{ensemble,failover,adapters,toolkit}/**/*.json', { cwd: root })) {
  cpSync(join(root, path), join(dist, path))
}

/** What the package promises must be there: a wrong path would be found by users only. */
const { default: manifest } = (await import('../package.json', { with: { type: 'json' } })) as {
  default: { exports: Record<string, string | { types: string; default: string }> }
}
const promised = Object.values(manifest.exports).flatMap((entry) =>
  typeof entry === 'string' ? [entry] : [entry.types, entry.default],
)
const missing = promised.filter((path) => !existsSync(join(root, path)))
if (missing.length > 0) {
  console.error(`build: package.json promises what was not built: ${missing.join(', ')}`)
  process.exit(1)
}
