/** Preloaded into a server under test: on SIGUSR2, collects garbage and writes what is in use. */
import { renameSync, writeFileSync } from 'node:fs'

process.on('SIGUSR2', () => {
  globalThis.gc?.()
  const report = process.env.HOWDAH_MEMORY_REPORT
  if (report === undefined) return
  writeFileSync(`${report}.new`, JSON.stringify(process.memoryUsage()))
  renameSync(`${report}.new`, report)
})
