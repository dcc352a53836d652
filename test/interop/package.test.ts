/**
 * The package as its users get it: packed, installed by name into an empty folder with its
 * dependencies from the registry, its command run, its entries imported, its types used.
 *
 * Skips aloud where the registry cannot be reached.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')
const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  version: string
  exports: Record<string, unknown>
}
const reachable = run('npm', ['ping'], ROOT).status === 0
if (!reachable) process.stderr.write('SKIPPED test/interop/package.test.ts: no npm registry\n')

/** Without what npm tells the scripts that it runs: a user has none of it. */
function run(command: string, argv: string[], cwd: string) {
  const env = Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^(npm_|NODE_OPTIONS|VITEST|HOWDAH_)/.test(name),
    ),
  )
  const { status, stdout, stderr } = spawnSync(command, argv, { cwd, env, encoding: 'utf8' })
  return { status, stdout, stderr }
}

describe.skipIf(!reachable)('the packed package', () => {
  let folder = ''
  let app = ''
  let files: string[] = []

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'howdah-package-'))
    app = join(folder, 'app')
    mkdirSync(app)
    const packed = run('npm', ['pack', '--json', '--pack-destination', folder], ROOT)
    expect(packed.status, packed.stderr).toBe(0)
    // The build's own output comes first, where it has any.
    const report: unknown = JSON.parse(/^[[{][\s\S]*/m.exec(packed.stdout)![0])
    const [entry] = Object.values(report as Record<string, unknown>) as [
      { filename: string; files: { path: string }[] },
    ]
    files = entry.files.map(({ path }) => path)
    writeFileSync(join(app, 'package.json'), '{ "name": "app", "type": "module", "private": true }')
    const tarball = join(folder, entry.filename)
    const installed = run('npm', ['install', '--no-audit', '--no-fund', tarball], app)
    expect(installed.status, installed.stderr).toBe(0)
  }, 300_000)

  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  test('contains the built code and the documents, no sources and no tests', () => {
    expect(files).toContain('bin/howdah.js')
    expect(files).toContain('README.md')
    expect(files).toContain('LICENSE')
    expect(files).toContain('dist/toolkit/main.js')
    const unwanted = files.filter(
      (path) => /^(test|node_modules)\//.test(path) || /(?<!\.d)\.ts$/.test(path),
    )
    expect(unwanted).toEqual([])
  })

  test('howdah --help and --version', () => {
    const command = join(app, 'node_modules/.bin/howdah')
    const help = run(process.execPath, [command, '--help'], app)
    expect(help.status, help.stderr).toBe(0)
    expect(help.stdout).toContain('howdah')
    expect(help.stdout).toContain('server')
    const version = run(process.execPath, [command, '--version'], app)
    expect(version.stdout).toContain(manifest.version)
  })

  test('every entry can be imported, and the client is there', () => {
    const names = Object.keys(manifest.exports).filter((name) => !name.endsWith('.json'))
    const specifiers = names.map((name) => name.replace(/^\./, 'howdah'))
    writeFileSync(
      join(app, 'entries.js'),
      `const found = {}
for (const name of ${JSON.stringify(specifiers)}) found[name] = Object.keys(await import(name))
console.log(JSON.stringify(found))`,
    )
    const imported = run(process.execPath, ['entries.js'], app)
    expect(imported.status, imported.stderr).toBe(0)
    const found = JSON.parse(imported.stdout) as Record<string, string[]>
    expect(Object.keys(found)).toEqual(specifiers)
    expect(found['howdah']).toEqual(expect.arrayContaining(['connect', 'acl', 'ZkError']))
  })

  test('the guard of a service works with what the package gives', () => {
    writeFileSync(
      join(app, 'guard.js'),
      `import { nodeSys, silent } from 'howdah'
import { Guard, NotPermitted } from 'howdah/failover'
const guard = new Guard({ stateFile: ${JSON.stringify(join(app, 'guard.json'))}, sys: nodeSys(silent) })
await guard.open()
try { guard.permit() } catch (error) { console.log(error instanceof NotPermitted) }`,
    )
    const guarded = run(process.execPath, ['guard.js'], app)
    expect(guarded.stdout.trim(), guarded.stderr).toBe('true')
  })

  test('the types of the client serve a strict program', () => {
    writeFileSync(
      join(app, 'use.ts'),
      `import { connect, ZkError } from 'howdah'
export async function read(path: string): Promise<Buffer | null> {
  await using zk = await connect('127.0.0.1:2181', { sessionTimeoutMs: 10_000 })
  try {
    return (await zk.get(path)).data
  } catch (error) {
    if (error instanceof ZkError && error.code === 'noNode') return null
    throw error
  }
}
`,
    )
    const compiler = join(ROOT, 'node_modules/typescript/bin/tsc')
    const options =
      '--noEmit --strict --target es2024 --lib es2024,esnext.disposable --module nodenext'
    const roots = ['--typeRoots', join(ROOT, 'node_modules/@types'), '--types', 'node']
    const checked = run(
      process.execPath,
      [compiler, ...options.split(' '), ...roots, 'use.ts'],
      app,
    )
    expect(checked.stdout + checked.stderr).toBe('')
    expect(checked.status).toBe(0)
  })
})
