/**
 * What a server loads before it serves: with a bare zoo.cfg, nothing that only other commands, other
 * settings or administration need. One careless import at the top of a file costs tens of
 * milliseconds and mebibytes, and shows nowhere else.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { stablePort } from '../support/stable-port.ts'

const ROOT = join(import.meta.dirname, '../..')

/** Preloaded: tells at exit what was loaded, files as addresses, Node's own modules by name. */
const REPORT = `
import { registerHooks } from 'node:module'
import { writeSync } from 'node:fs'
const files = []
registerHooks({ load(url, context, next) { files.push(url); return next(url, context) } })
process.on('exit', () => {
  const builtins = process.moduleLoadList.filter((name) => name.startsWith('NativeModule '))
  writeSync(2, JSON.stringify({ files, builtins: builtins.map((name) => name.slice(13)) }))
})`

/** pino and what it is made of; every other package is for a setting that asks for it. */
const PACKAGES =
  /^(pino|pino-std-serializers|@pinojs\/redact|quick-format-unescaped|sonic-boom|atomic-sleep|on-exit-leak-free|thread-stream|safe-stable-stringify)$/

test('a server of a bare zoo.cfg loads pino, and nothing else that it does not use', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'howdah-start-up-'))
  try {
    const config = join(folder, 'zoo.cfg')
    writeFileSync(
      config,
      `dataDir=${folder}/data\nclientPort=${await stablePort()}\nclientPortAddress=127.0.0.1\n`,
    )
    const preload = `data:text/javascript,${encodeURIComponent(REPORT)}`
    const main = join(ROOT, 'toolkit/main.ts')
    const server = spawn(process.execPath, ['--import', preload, main, 'server', config], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const output = { log: '', report: '' }
    server.stderr.on('data', (text: Buffer) => (output.report += text.toString()))
    server.stdout.on('data', (text: Buffer) => {
      output.log += text.toString()
      if (output.log.includes('"serving"')) server.kill('SIGTERM')
    })
    await once(server, 'close')
    expect(output.log, output.report).toContain('"serving"')
    const loaded = JSON.parse(output.report) as { files: string[]; builtins: string[] }

    const packages = loaded.files.flatMap((url) => {
      return /\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1] ?? []
    })
    expect([...new Set(packages)].filter((name) => !PACKAGES.test(name))).toEqual([])

    const heavy = /^(http|https|http2|tls|inspector|repl|readline|internal\/deps\/undici\/undici)$/
    expect(loaded.builtins.filter((name) => heavy.test(name))).toEqual([])

    const others =
      /\/(failover|adapters|ensemble\/(client|recipes|zab)|toolkit\/(cli|http))\/|\/(admin-server|prometheus-server|load|read|schema|supervisor)\.ts$/
    expect(loaded.files.filter((url) => others.test(url))).toEqual([])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
