/** Writes the files that are made from the schema of the YAML; a test holds them to it. */
import { writeFileSync } from 'node:fs'
import { jsonSchema, referencePage } from '../toolkit/setup/documents.ts'

if (process.argv.includes('--help')) {
  process.stdout.write(
    'Usage: node scripts/documents.ts\n\nWrites howdah.schema.json and docs/configuration.md.\n',
  )
} else {
  const root = new URL('../', import.meta.url)
  writeFileSync(new URL('howdah.schema.json', root), `${JSON.stringify(jsonSchema(), null, 2)}\n`)
  writeFileSync(new URL('docs/configuration.md', root), referencePage())
}
