/** The version of the package, from its package.json (one level up in a checkout, two once built). */
import { readFileSync } from 'node:fs'

export function version(): string {
  for (const place of ['../package.json', '../../package.json']) {
    try {
      const manifest: unknown = JSON.parse(readFileSync(new URL(place, import.meta.url), 'utf8'))
      if (typeof manifest === 'object' && manifest !== null && 'version' in manifest) {
        return String(manifest.version)
      }
    } catch {
      // not there: built code lies one directory deeper
    }
  }
  return 'unknown'
}
