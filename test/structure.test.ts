/**
 * The architecture's walls, held by a test: who may import whom, what the core may not touch,
 * headers, leftovers, and documents against code.
 *
 * .oxlintrc.json says much of it too, so that an editor shows it; this is the list that counts.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { blankOut, importsOf } from './support/source-text.ts'

const ROOT = join(import.meta.dirname, '..')

/** Folders whose code is the product: what a package contains. */
const PRODUCT = ['ensemble', 'failover', 'adapters', 'toolkit']
const SOURCES = [...PRODUCT, 'bin', 'scripts', 'examples', 'bench', 'test']

/** The pure core: no node: module, no time, no randomness, no waiting. */
const CORE = ['jute', 'protocol', 'tree', 'session', 'auth', 'zab', 'pipeline', 'config']

/** Folder of ensemble/ -> folders of it that it may import. `sys` and `assert.ts` have rules below. */
const ARROWS: Record<string, readonly string[]> = {
  jute: [],
  protocol: ['jute'],
  tree: ['protocol', 'jute'],
  session: ['protocol', 'jute'],
  auth: ['protocol', 'jute'],
  zab: ['protocol', 'jute'],
  pipeline: ['tree', 'session', 'auth', 'zab', 'protocol', 'jute'],
  config: ['protocol', 'jute'],
  // It recovers the tree and writes snapshots of it.
  store: ['tree', 'protocol', 'jute'],
  client: ['tls', 'protocol', 'jute'],
  recipes: ['client', 'protocol', 'jute'],
  server: [...CORE, 'tls', 'store', 'admin'],
  // Views of the server, by types.
  admin: [...CORE, 'tls', 'store', 'server'],
  testing: [...CORE, 'store', 'server', 'admin', 'client', 'recipes'],
  tls: [],
  sys: [],
}

interface Source {
  /** From the root, with `/`. */
  readonly path: string
  readonly text: string
  /** The text with comments and strings blanked out. */
  readonly code: string
  readonly imports: readonly { target: string; typeOnly: boolean }[]
}

const sources = SOURCES.flatMap((folder) => walk(folder)).map(readSource)
const product = sources.filter(({ path }) => PRODUCT.includes(path.split('/')[0]!))

function walk(folder: string): string[] {
  const skipped = new Set(['node_modules', 'dist', 'golden', 'target'])
  if (!existsSync(join(ROOT, folder))) return []
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`
    if (entry.isDirectory()) return skipped.has(entry.name) ? [] : walk(path)
    return /\.(ts|js|mjs)$/.test(entry.name) ? [path] : []
  })
}

function readSource(path: string): Source {
  const text = readFileSync(join(ROOT, path), 'utf8')
  const imports = importsOf(text).map(({ specifier, typeOnly }) => {
    const target = specifier.startsWith('.')
      ? relative(ROOT, resolve(ROOT, dirname(path), specifier)).replaceAll('\\', '/')
      : specifier
    return { target, typeOnly }
  })
  return { path, text, code: blankOut(text), imports }
}

/** `ensemble/tree/tree.ts` -> `tree`; null outside of ensemble/ and for files directly in it. */
function folderOf(path: string): string | null {
  return /^ensemble\/([^/]+)\//.exec(path)?.[1] ?? null
}

/** A target that is neither a builtin nor a file of the repository. */
function isPackage(target: string): boolean {
  return !target.startsWith('node:') && !existsSync(join(ROOT, target.split('/')[0]!))
}

/** Every import that `mayNot` objects to, as `file -> target`. */
function offences(of: readonly Source[], mayNot: (target: string, source: Source) => boolean) {
  return of.flatMap((source) =>
    source.imports
      .filter(({ target }) => mayNot(target, source))
      .map(({ target }) => `${source.path} -> ${target}`),
  )
}

function inFolders(folders: readonly string[]): Source[] {
  return product.filter(({ path }) => folders.includes(folderOf(path) ?? ''))
}

/** The watchdog is a process of its own: the edge of failover, and the only one. */
const FAILOVER_EDGE = ['failover/watchdog-process.ts', 'failover/watchdog-argv.ts']
const failover = product.filter(
  ({ path }) => path.startsWith('failover/') && !FAILOVER_EDGE.includes(path),
)
const adapters = product.filter(({ path }) => path.startsWith('adapters/'))
/** The decisions of failover are core too. */
const core = [...inFolders(CORE), ...failover.filter(({ path }) => /\/decide[^/]*$/.test(path))]

describe('the direction of imports', () => {
  test('every folder of ensemble/ has its arrows', () => {
    const folders = new Set(
      product.map(({ path }) => folderOf(path)).filter((name) => name !== null),
    )
    expect([...folders].filter((name) => !(name in ARROWS))).toEqual([])
  })

  test('folders of ensemble/ import what their arrows point to', () => {
    const found = offences(product, (target, { path }) => {
      const from = folderOf(path)
      const to = folderOf(target)
      if (from === null || to === null || from === to || to === 'sys') return false
      return !ARROWS[from]!.includes(to)
    })
    expect(found).toEqual([])
  })

  test('ensemble/ knows neither failover, adapters nor toolkit', () => {
    const ensemble = product.filter(({ path }) => path.startsWith('ensemble/'))
    expect(offences(ensemble, (target) => /^(failover|adapters|toolkit)\//.test(target))).toEqual(
      [],
    )
  })

  test('server and client do not know each other', () => {
    const server = inFolders(['server', 'admin', 'store', 'pipeline', 'tree', 'session', 'zab'])
    const client = inFolders(['client', 'recipes'])
    expect(offences(server, (target) => /^ensemble\/(client|recipes)\//.test(target))).toEqual([])
    const serverSide = /^ensemble\/(server|admin|store|pipeline|tree|session|auth|zab)\//
    expect(offences(client, (target) => serverSide.test(target))).toEqual([])
  })

  test("failover and adapters use the client's public entry, and of sys the interfaces", () => {
    const found = offences([...failover, ...adapters], (target) => {
      if (!target.startsWith('ensemble/')) return false
      if (target === 'ensemble/client/index.ts' || target === 'ensemble/assert.ts') return false
      return folderOf(target) !== 'sys' || target.includes('/node-')
    })
    expect(found).toEqual([])
  })

  test('failover knows no adapter; an adapter knows failover/index.ts and no other adapter', () => {
    expect(offences(failover, (target) => /^(adapters|toolkit)\//.test(target))).toEqual([])
    const found = offences(adapters, (target, { path }) => {
      if (target.startsWith('failover/')) return target !== 'failover/index.ts'
      if (target.startsWith('toolkit/')) return true
      return target.startsWith('adapters/') && target.split('/')[1] !== path.split('/')[1]
    })
    expect(found).toEqual([])
  })

  test('toolkit uses the rest by its index.ts', () => {
    const toolkit = product.filter(({ path }) => path.startsWith('toolkit/'))
    const found = offences(toolkit, (target) => {
      if (!/^(ensemble|failover|adapters)\//.test(target)) return false
      if (target.endsWith('/index.ts') || target === 'ensemble/assert.ts') return false
      return !['sys', 'config'].includes(folderOf(target) ?? '')
    })
    expect(found).toEqual([])
  })

  test('the product imports no tests, scripts or examples, and names each file with .ts', () => {
    const found = offences(product, (target) => {
      if (target.startsWith('node:') || isPackage(target)) return target.startsWith('.')
      return !PRODUCT.includes(target.split('/')[0]!) || !target.endsWith('.ts')
    })
    expect(found).toEqual([])
  })

  test('the product imports the packages that package.json declares', () => {
    const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      dependencies: Record<string, string>
    }
    const found = offences(product, (target) => {
      const name = /^(@[^/]+\/)?[^/]+/.exec(target)![0]
      return !target.startsWith('node:') && isPackage(target) && !(name in dependencies)
    })
    expect(found).toEqual([])
  })

  test('there are no import cycles', () => {
    const edges = new Map(
      sources.map(({ path, imports }) => [
        path,
        imports.filter(({ typeOnly }) => !typeOnly).map(({ target }) => target),
      ]),
    )
    const done = new Set<string>()
    const cycles: string[] = []
    const visit = (path: string, trail: readonly string[]): void => {
      if (trail.includes(path)) {
        cycles.push([...trail.slice(trail.indexOf(path)), path].join(' -> '))
        return
      }
      if (done.has(path)) return
      for (const target of edges.get(path) ?? []) visit(target, [...trail, path])
      done.add(path)
    }
    for (const path of edges.keys()) visit(path, [])
    expect(cycles).toEqual([])
  })
})

describe('the pure core (D-1, D-2)', () => {
  test('imports no node: module, no package, and of sys the hashes only', () => {
    const found = offences(core, (target, { path }) => {
      if (target.startsWith('node:') || isPackage(target)) return true
      if (folderOf(target) !== 'sys' || target === 'ensemble/sys/hash.ts') return false
      return path.startsWith('ensemble/')
    })
    expect(found).toEqual([])
  })

  test('uses no clock, randomness, timer or process, and never waits', () => {
    const forbidden =
      /(?<![.\w$#])(Date|performance|setTimeout|setInterval|setImmediate|queueMicrotask|process|fetch|await|async|Promise)(?![\w$]|\??:)|Math\.random/g
    const found = core.flatMap(({ path, code }) =>
      Array.from(
        code.matchAll(forbidden),
        (match) => `${path}:${lineOf(code, match.index)} ${match[0]}`,
      ),
    )
    expect(found).toEqual([])
  })

  test('what the simulator runs takes the world from its constructor', () => {
    const forbidden =
      /(?<![.\w$#])(Date|performance|setTimeout|setInterval|setImmediate|process|fetch)(?![\w$]|\??:)|Math\.random/g
    // The public entry of the server gives a peer the real world; the peer itself is given one.
    const server = inFolders(['server']).filter(({ path }) => path !== 'ensemble/server/index.ts')
    const simulated = [
      ...inFolders(['store', 'client', 'recipes']),
      ...server,
      ...failover,
      ...adapters,
    ]
    const found = simulated.flatMap(({ path, code }) =>
      Array.from(
        code.matchAll(forbidden),
        (match) => `${path}:${lineOf(code, match.index)} ${match[0]}`,
      ),
    )
    expect(found).toEqual([])
    const allowed = new Set(['node:diagnostics_channel'])
    expect(
      offences(simulated, (target) => target.startsWith('node:') && !allowed.has(target)),
    ).toEqual([])
    // Only a public entry may give the real world, as a default for people.
    const real = offences(simulated, (target) => target.startsWith('ensemble/sys/node-'))
    expect(
      real.filter((line) => !/^ensemble\/client\/(index|connect|node-connect)\.ts /.test(line)),
    ).toEqual([])
  })
})

describe('files', () => {
  test('every source file starts with a header comment', () => {
    const missing = sources.filter(({ text }) => !/^(#!.*\n)?\/\*\*/.test(text))
    expect(missing.map(({ path }) => path)).toEqual([])
  })

  test('nothing is left to do in the sources', () => {
    const marks = new RegExp(`\\b(${['FIX' + 'ME', 'TO' + 'DO', 'XX' + 'X'].join('|')})\\b`)
    expect(sources.filter(({ text }) => marks.test(text)).map(({ path }) => path)).toEqual([])
  })

  test('names are kebab-case, and none says nothing', () => {
    const found = product.filter(({ path }) => {
      const name = path.slice(path.lastIndexOf('/') + 1)
      return (
        !/^[a-z0-9]+(-[a-z0-9]+)*\.(d\.)?ts$/.test(name) ||
        /^(utils|common|misc|types|manager|impl|helpers)\./.test(name)
      )
    })
    expect(found.map(({ path }) => path)).toEqual([])
  })

  test('no path of one machine, and nothing from outside of the repository', () => {
    const shipped = sources.filter(({ path }) => !path.startsWith('test/'))
    const found = shipped.filter(({ text }) =>
      /\.\.\/shared\b|(?<![\w.:/}])\/(work|root|home)\//.test(text),
    )
    expect(found.map(({ path }) => path)).toEqual([])
  })
})

describe('documents', () => {
  test('ARCHITECTURE.md mentions every folder', () => {
    const map = readFileSync(join(ROOT, 'ARCHITECTURE.md'), 'utf8')
    const folders = PRODUCT.flatMap((top) =>
      readdirSync(join(ROOT, top), { withFileTypes: true })
        .filter((entry) => entry.isDirectory() && walk(`${top}/${entry.name}`).length > 0)
        .map((entry) => entry.name),
    )
    expect(folders.filter((name) => !new RegExp(`\\b${name}\\b`).test(map))).toEqual([])
  })

  test('every public entry of the package has its source', () => {
    const { exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      exports: Record<string, string | { default: string }>
    }
    const missing = Object.values(exports)
      .flatMap((entry) => (typeof entry === 'string' ? [] : [entry.default]))
      .map((path) => path.replace('./dist/', '').replace(/\.js$/, '.ts'))
      .filter((path) => !existsSync(join(ROOT, path)))
    expect(missing).toEqual([])
  })

  const reliability = join(ROOT, 'docs/reliability.md')
  test.skipIf(!existsSync(reliability))('docs/reliability.md names tests that name its ids', () => {
    const rows = readFileSync(reliability, 'utf8').matchAll(/^\|\s*([A-Z]-\d+[a-z]?)\s*\|(.*)$/gm)
    const problems: string[] = []
    for (const [, id = '', row = ''] of rows) {
      const paths = Array.from(row.matchAll(/\btest\/[\w./-]+\w/g), (match) => match[0])
      for (const path of paths) {
        if (!existsSync(join(ROOT, path))) problems.push(`${id}: no ${path}`)
      }
      const proofs = sources.filter(({ path }) => paths.some((named) => path.startsWith(named)))
      if (paths.length > 0 && !proofs.some(({ text }) => new RegExp(`\\b${id}\\b`).test(text))) {
        problems.push(`${id}: none of its tests names it`)
      }
    }
    expect(problems).toEqual([])
  })
})

function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length
}
