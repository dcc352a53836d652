#!/usr/bin/env node
/**
 * The `howdah` command: runs toolkit/main.ts in a checkout, dist/toolkit/main.js in a package.
 *
 * Plain JavaScript for any Node from 20 on. When this Node is too old it becomes a launcher: the
 * devDependency `node` runs this same file again as a child, so that a checkout works everywhere.
 *
 * Invariants, so that nobody need know that there are two processes:
 * 1. Output and input are the child's own (inherited); so is the exit status, death by signal too.
 * 2. Signals that ask to end or reload reach the child. A terminal sends Ctrl-C to both processes
 *    already (and so does npm), so the child may see the same signal twice within moments.
 * 3. The child does not outlive the launcher, not even a launcher killed with -9: both ends of a
 *    socket pair are all that ties them, and when the launcher's end is gone the child kills itself
 *    with -9, which is what was asked for.
 *
 * Start-up counts: what only a launcher needs is imported by it alone.
 */
import { existsSync, fstatSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** File descriptor of the child's end of the socket pair. */
const LAUNCHER_FD = 3
/** Set for the child by the launcher; taken out of the environment before anything else runs. */
const LAUNCHED = 'HOWDAH_LAUNCHED'
const PASSED_ON = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2']

const sources = new URL('../toolkit/main.ts', import.meta.url)
const isCheckout = existsSync(sources)
// Types are stripped without a flag from 22.18 on; what is built needs require(esm), 22.12.
const needed = isCheckout ? [22, 18] : [22, 12]
const program = isCheckout ? sources : new URL('../dist/toolkit/main.js', import.meta.url)

if (process.env[LAUNCHED] === '1') {
  delete process.env[LAUNCHED]
  await endWithLauncher()
  await import(program.href)
} else if (isNewEnough()) {
  await import(program.href)
} else {
  await launch()
}

function isNewEnough() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  // 23 got type stripping in its own minor, and is out of support.
  if (isCheckout && major === 23) return minor >= 6
  return major > needed[0] || (major === needed[0] && minor >= needed[1])
}

/** Runs in the child: ends it when the launcher's end of the socket pair closes. */
async function endWithLauncher() {
  try {
    if (!fstatSync(LAUNCHER_FD).isSocket()) return
  } catch {
    return // no such descriptor: somebody else set the variable
  }
  const { Socket } = await import('node:net')
  const launcher = new Socket({ fd: LAUNCHER_FD, readable: true, writable: false })
  const end = () => process.kill(process.pid, 'SIGKILL')
  launcher.on('error', end)
  launcher.on('close', end)
  launcher.resume()
  launcher.unref() // the program ends when it is done, not when the launcher is
}

async function launch() {
  const node = newerNode()
  if (node === null) {
    const advice = isCheckout
      ? 'run `npm ci` without --ignore-scripts, which brings one'
      : 'install a newer one, or `npm install node@24` beside howdah'
    process.stderr.write(
      `howdah: needs Node ${needed.join('.')} or newer, this is ${process.versions.node}: ${advice}\n`,
    )
    process.exitCode = 1
    return
  }
  const { spawn } = await import('node:child_process')
  let child = null
  // Before the child exists: a signal in between must not end the launcher alone.
  for (const signal of PASSED_ON) process.on(signal, () => child?.kill(signal))
  child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
    env: { ...process.env, [LAUNCHED]: '1' },
  })
  child.stdio[LAUNCHER_FD]?.on('error', () => {}) // reset when the child dies
  child.on('error', (error) => {
    process.stderr.write(`howdah: cannot start ${node}: ${error.message}\n`)
    process.exitCode = 1
  })
  child.on('exit', (status, signal) => {
    if (signal === null) process.exit(status)
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
  })
}

/** The binary of the package `node`, or null. */
function newerNode() {
  const binary = process.platform === 'win32' ? 'node.exe' : 'node'
  try {
    const manifest = createRequire(import.meta.url).resolve('node/package.json')
    const path = join(dirname(manifest), 'bin', binary)
    return existsSync(path) ? path : null
  } catch {
    return null
  }
}
