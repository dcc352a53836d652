/**
 * Makes dist/: the JavaScript and the declarations that a package contains (`npm run build`).
 *
 * dist/ is made anew, so that a file that no longer has a source is not shipped. JSON files that lie
 * beside sources (schemas) are copied.
 *
 * The JavaScript is bundled, since a server is read from some fifteen files three times as fast as
 * from two hundred. Packages stay imports. Invariants:
 * 1. What somebody names by its path is a file at that path: the entries of package.json, the
 *    command, programs that run as processes of their own.
 * 2. A module that looks at `import.meta.url` is a file at the path of its source too, so that what
 *    it finds beside itself is the same in a checkout and in a package.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, globSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { rolldown } from 'rolldown'

if (process.argv.includes('--help')) {
  console.log('Usage: npm run build\n\nCompiles ensemble, failover, adapters and toolkit to dist/.')
  process.exit(0)
}

const root = join(import.meta.dirname, '..')
const dist = join(root, 'dist')
rmSync(dist, { recursive: true, force: true })

const compiler = join(root, 'node_modules/typescript/bin/tsc')
const declarations = ['-p', 'tsconfig.build.json', '--emitDeclarationOnly']
const compiled = spawnSync(process.execPath, [compiler, ...declarations], {
  cwd: root,
  stdio: 'inherit',
})
if (compiled.status !== 0) {
  console.error('build: the compiler found errors; dist/ is not complete')
  process.exit(1)
}

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  exports: Record<string, string | { types: string; default: string }>
  dependencies: Record<string, string>
}
const promised = Object.values(manifest.exports).flatMap((entry) =>
  typeof entry === 'string' ? [entry] : [entry.types, entry.default],
)

const entries = new Set([
  'toolkit/main',
  ...promised.flatMap((path) => /^\.\/dist\/(.*)\.js$/.exec(path)?.[1] ?? []),
  ...globSync('{ensemble,failover,adapters,toolkit}/**/*.ts', { cwd: root }).flatMap(foundByPath),
])
const packages = Object.keys(manifest.dependencies)
const bundle = await rolldown({
  cwd: root,
  input: Object.fromEntries([...entries].map((name) => [name, `${name}.ts`])),
  platform: 'node',
  external: (id) =>
    id.startsWith('node:') || packages.some((name) => id === name || id.startsWith(`${name}/`)),
})
await bundle.write({
  dir: dist,
  format: 'esm',
  entryFileNames: '[name].js',
  chunkFileNames: 'chunks/[name]-[hash].js',
})
await bundle.close()

for (const path of globSync('{ensemble,failover,adapters,toolkit}/**/*.json', { cwd: root })) {
  cpSync(join(root, path), join(dist, path))
}

/** What the package promises must be there: a wrong path would be found by users only. */
const missing = promised.filter((path) => !existsSync(join(root, path)))
if (missing.length > 0) {
  console.error(`build: package.json promises what was not built: ${missing.join(', ')}`)
  process.exit(1)
}

/** A module that looks at its own place, and the modules that it names there, without `.ts`. */
function foundByPath(path: string): string[] {
  const text = readFileSync(join(root, path), 'utf8')
  if (!text.includes('import.meta.url')) return []
  const named = text.matchAll(/(?<!from |import\()['"`](\.\.?\/[\w./-]+)\.(?:ts['"`]|\$\{)/g)
  return [path, ...Array.from(named, ([, name = '']) => join(path, '..', `${name}.ts`))]
    .filter((file) => existsSync(join(root, file)))
    .map((file) => file.replace(/\.ts$/, ''))
}
