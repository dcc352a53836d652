/** A Python that has kazoo, the client of Python programs. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

const KAZOO = '2.11.0'

/** A Python with kazoo, made on the first run; or why there is none. */
export function kazooPython(): { python: string } | { missing: string } {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache')
  const folder = join(cache, `howdah-interop/kazoo-${KAZOO}`)
  const python = join(folder, 'bin/python')
  if (existsSync(python)) return { python }
  if (spawnSync('which', ['python3']).status !== 0) return { missing: 'no python3' }
  const staging = `${folder}.${process.pid}`
  mkdirSync(staging, { recursive: true })
  const steps = [
    ['python3', '-m', 'venv', staging],
    [join(staging, 'bin/python'), '-m', 'pip', 'install', '-q', `kazoo==${KAZOO}`],
  ]
  for (const [command = '', ...words] of steps) {
    const { status, stderr } = spawnSync(command, words, { encoding: 'utf8' })
    if (status === 0) continue
    rmSync(staging, { recursive: true, force: true })
    return { missing: `${words.slice(0, 3).join(' ')} failed: ${stderr.trim().split('\n').at(-1)}` }
  }
  renameSync(staging, folder)
  return { python }
}
