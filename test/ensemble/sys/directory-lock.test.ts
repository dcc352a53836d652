/** One process per directory, and per use of it: the kernel keeps the lock, and frees it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { lockDirectory } from '../../../ensemble/sys/node-directory-lock.ts'

let directory: string
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'howdah-lock-'))))
afterEach(() => rmSync(directory, { recursive: true, force: true }))

const onLinux = test.runIf(process.platform === 'linux')

onLinux('a directory is locked once, by whatever name; freed, it can be locked again', async () => {
  const free = await lockDirectory(directory)
  expect(free).not.toBeNull()
  expect(await lockDirectory(`${directory}/../${directory.split('/').at(-1)}`)).toBeNull()
  await free!()
  const again = await lockDirectory(directory)
  expect(again).not.toBeNull()
  await again!()
})

onLinux('two uses of a directory do not meet', async () => {
  const [a, b] = [
    await lockDirectory(directory, 'orders/a'),
    await lockDirectory(directory, 'orders/b'),
  ]
  expect(a).not.toBeNull()
  expect(b).not.toBeNull()
  expect(await lockDirectory(directory, 'orders/a')).toBeNull()
  await a!()
  await b!()
})

onLinux('a lock ends with its process, also by kill -9', async () => {
  const module = join(import.meta.dirname, '../../../ensemble/sys/node-directory-lock.ts')
  const program = `
    const { lockDirectory } = await import(${JSON.stringify(module)})
    console.log((await lockDirectory(${JSON.stringify(directory)})) === null ? 'taken' : 'locked')
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  expect(line.toString().trim()).toBe('locked')
  expect(await lockDirectory(directory)).toBeNull()
  child.kill('SIGKILL')
  await once(child, 'exit')
  const free = await lockDirectory(directory)
  expect(free).not.toBeNull()
  await free!()
})
