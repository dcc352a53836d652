/** X-11, S-17: the YAML of a set-up with characters, lines and bytes changed; aliases that multiply. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { check } from '../../../toolkit/setup/check.ts'
import { formatProblem } from '../../../toolkit/setup/problem.ts'
import { read } from '../../../toolkit/setup/read.ts'
import { schema } from '../../../toolkit/setup/schema.ts'
import { mutateBytes, mutateText } from '../mutate.ts'
import { must, randomOf, type Target } from '../target.ts'

const INPUTS = 20
const READ_MS_MAX = 3000
const SECRET = 'canary-4711'

const EXAMPLE = readFileSync(
  join(import.meta.dirname, '../../../examples/pair/howdah.yaml'),
  'utf8',
)
const OTHER = `howdah: 1
cluster: c
ensemble: { connect: "127.0.0.1:2181,[::1]:2182" }
x: &anchor [1, 2, { a: b }]
y: *anchor
groups:
  g:
    lease: \${LEASE}
    members: { a: { host: "\${HOST}", port: 1 } }
    token: "\${SECRET}"
`
const outside = {
  env: { SECRET, HOST: '127.0.0.1', LEASE: '2s' },
  readFile(path: string): string {
    throw Object.assign(new Error(`ENOENT ${path}`), { code: 'ENOENT' })
  },
}

export const setUp: Target = {
  name: 'set-up',
  about: 'the YAML: a value that can be checked, or problems with a place in one line each',
  seeds: 6,
  run(seed) {
    const random = randomOf(seed)
    for (let at = 0; at < INPUTS; at++) {
      const [first, second] = random.below(4) === 0 ? [OTHER, EXAMPLE] : [EXAMPLE, OTHER]
      let bytes = Buffer.from(mutateText(random, first, second, 4))
      if (random.below(4) === 0) bytes = Buffer.from(mutateBytes(random, bytes))
      if (random.below(20) === 0) bytes = bomb(random.below(40))
      const startedMs = performance.now()
      const reading = read(bytes, { file: 'f.yaml', shape: schema, outside })
      const tookMs = performance.now() - startedMs
      const text = (): string => JSON.stringify(bytes.toString())
      must(tookMs < READ_MS_MAX, () => `${tookMs} ms for ${text()}`)
      must(
        (reading.value === null) === reading.problems.length > 0,
        () => `value or problems: ${text()}`,
      )
      const lines = bytes.toString().split(/\r\n|\r|\n/).length
      for (const problem of reading.problems) {
        const line = formatProblem(problem)
        must(
          /^f\.yaml:\d+:\d+: [^\n\r]+$/.test(line),
          () => `${JSON.stringify(line)} for ${text()}`,
        )
        must(problem.line >= 1 && problem.line <= lines, () => `line ${problem.line} of ${text()}`)
        must(!line.includes(SECRET), () => `the secret is told: ${line}`)
      }
      must(!('polluted' in {}), 'no prototype is touched')
      if (reading.value !== null) check(reading.value)
    }
    return INPUTS
  },
}

/** Each alias stands for ten of the one before. */
function bomb(levels: number): Buffer<ArrayBuffer> {
  const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]']
  for (let at = 1; at <= levels; at++) {
    lines.push(`a${at}: &a${at} [${Array.from({ length: 10 }, () => `*a${at - 1}`).join(', ')}]`)
  }
  return Buffer.from(lines.join('\n'))
}
