/** How to start the watchdog beside this very code, from sources or built: an edge file. */
/* oxlint-disable no-restricted-globals, no-restricted-imports */
import { fileURLToPath } from 'node:url'

export function watchdogArgv(): readonly string[] {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  const path = fileURLToPath(new URL(`./watchdog-process.${extension}`, import.meta.url))
  return [process.execPath, path]
}
