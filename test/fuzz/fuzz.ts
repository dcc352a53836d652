/**
 * `npm run fuzz`: runs seeds of the fuzz targets. A seed alone repeats what it did.
 */
import { parseArgs } from 'node:util'
import { repeatCommand, type Target } from './target.ts'
import { targets } from './targets.ts'

const HELP = `Usage: npm run fuzz -- [options]

  --target NAME   ${targets.map(({ name }) => name).join(', ')}; all when absent
  --seeds N       how many seeds of each, 100 when absent
  --start S       the first seed, 1 when absent
  --keep-going    do not stop at a target's first failure

Exit status: 0 all seeds are clean, 1 something did not hold, 2 wrong usage.`

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      target: { type: 'string' },
      seeds: { type: 'string', default: '100' },
      start: { type: 'string', default: '1' },
      'keep-going': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const chosen = targets.filter(({ name }) => (values.target ?? name) === name)
  const [seeds, start] = [Number(values.seeds), Number(values.start)]
  const isWrong =
    chosen.length === 0 || ![seeds, start].every((n) => Number.isSafeInteger(n) && n > 0)
  if (values.help || isWrong) {
    print(HELP)
    return values.help ? 0 : 2
  }
  let failed = 0
  for (const target of chosen) {
    failed += await runSeeds(target, { start, seeds, keepsGoing: values['keep-going'] })
  }
  print(failed === 0 ? 'all clean' : `${failed} failed`)
  return failed === 0 ? 0 : 1
}

async function runSeeds(
  target: Target,
  { start, seeds, keepsGoing }: { start: number; seeds: number; keepsGoing: boolean },
): Promise<number> {
  const startedMs = performance.now()
  let inputs = 0
  let failed = 0
  let done = 0
  for (let seed = start; seed < start + seeds; seed++) {
    done++
    try {
      inputs += await target.run(seed)
    } catch (error) {
      failed++
      print(`${target.name}, seed ${seed}: ${error instanceof Error ? error.stack : String(error)}`)
      if (error instanceof Error && error.cause instanceof Error)
        print(`caused by ${error.cause.stack}`)
      print(`repeat with: ${repeatCommand(target, seed)}`)
      if (!keepsGoing) break
    }
  }
  const seconds = (performance.now() - startedMs) / 1000
  const rate = Math.round(inputs / seconds)
  print(`${target.name}: ${done} seeds, ${inputs} inputs, ${rate} a second, ${failed} failed`)
  return failed
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

process.exitCode = await main()
