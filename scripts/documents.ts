/** Writes the documents that are made from the schema of the YAML and the tables of the tests, which hold them. */
import { writeFileSync } from 'node:fs'
import { compatibilityPage } from '../test/support/compatibility/page.ts'
import { jsonSchema, referencePage } from '../toolkit/setup/documents.ts'

if (process.argv.includes('--help')) {
  process.stdout.write(
    'Usage: node scripts/documents.ts\n\nWrites howdah.schema.json, docs/configuration.md and docs/compatibility.md.\n',
  )
} else {
  const root = new URL('../', import.meta.url)
  writeFileSync(new URL('howdah.schema.json', root), `${JSON.stringify(jsonSchema(), null, 2)}\n`)
  writeFileSync(new URL('docs/configuration.md', root), referencePage())
  writeFileSync(new URL('docs/compatibility.md', root), compatibilityPage())
}
