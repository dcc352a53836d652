/**
 * `npm run simulate`: runs seeds of the scenarios until one breaks a rule, or all are done.
 *
 * Seeds are shared out to two processes, one per core; with one seed, or `--jobs 1`, everything runs
 * in this process. Every 20th seed is run twice, and the hashes must agree (D-3).
 */
import { fork, type ChildProcess } from 'node:child_process'
import { parseArgs } from 'node:util'
import { failureReport, replayCommand } from './report.ts'
import type { RunResult } from './scenario.ts'
import { scenarios } from './scenarios.ts'

const HELP = `Usage: npm run simulate -- [options]

  --seeds N         how many seeds, 100 when absent; each runs every scenario
  --start S         the first seed, 1 when absent
  --seed S          this one seed only
  --scenario NAME   ${Object.keys(scenarios).join(', ')}; all when absent
  --jobs J          processes, 2 when absent
  --keep-going      do not stop at the first violation
  --trace           print the last events of a good run too

Exit status: 0 all seeds are clean, 1 a rule was broken, 2 wrong usage.`

const DOUBLE_RUN_EVERY = 20
const REPORT_EVERY_MS = 5000

interface Task {
  readonly scenario: string
  readonly seed: number
}

interface Done extends Task {
  /** null: clean. */
  readonly failure: string | null
  readonly events: number
  readonly simulatedMs: number
  readonly marks: readonly (readonly [string, number])[]
}

async function perform({ scenario, seed }: Task): Promise<Done> {
  const run = scenarios[scenario]
  if (run === undefined) throw new Error(`unknown scenario ${scenario}`)
  let escaped: string | null = null
  const onRejection = (error: unknown) => {
    escaped ??= error instanceof Error ? (error.stack ?? error.message) : String(error)
  }
  process.on('unhandledRejection', onRejection)
  const result = await run(seed)
  let failure = result.violations.length > 0 ? failureReport(result) : null
  if (failure === null && seed % DOUBLE_RUN_EVERY === 0) {
    const again = await run(seed)
    if (again.hash !== result.hash) failure = differenceReport(result, again)
  }
  process.off('unhandledRejection', onRejection)
  if (escaped !== null) {
    failure = `${failure ?? ''}\nF-28: a promise was rejected and nobody handled it: ${String(escaped)}\nreplay with: ${replayCommand(result)}`
  }
  const { events, simulatedMs } = result
  return { scenario, seed, failure, events, simulatedMs, marks: [...result.marks] }
}

function differenceReport(first: RunResult, second: RunResult): string {
  return `seed ${first.seed} of scenario ${first.scenario} ran differently the second time: ${first.hash} and ${second.hash}\nreplay with: ${replayCommand(first)}`
}

// -- a worker: runs what it is sent

function work(): void {
  process.on('message', (task: Task) => {
    void perform(task).then((done) => process.send?.(done))
  })
}

// -- the one who shares out

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '100' },
      start: { type: 'string', default: '1' },
      seed: { type: 'string' },
      scenario: { type: 'string' },
      jobs: { type: 'string', default: '2' },
      'keep-going': { type: 'boolean', default: false },
      trace: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    print(HELP)
    return 0
  }
  const names = values.scenario === undefined ? Object.keys(scenarios) : [values.scenario]
  const first = Number(values.seed ?? values.start)
  const count = values.seed === undefined ? Number(values.seeds) : 1
  const jobs = Number(values.jobs)
  const areNumbers = [first, count, jobs].every((value) => Number.isSafeInteger(value) && value > 0)
  if (!areNumbers || names.some((name) => scenarios[name] === undefined)) {
    print(HELP)
    return 2
  }
  if (values.seed !== undefined && values.trace) {
    for (const name of names) print((await scenarios[name]!(first)).trace().join('\n'))
  }
  const tasks: Task[] = []
  for (let seed = first; seed < first + count; seed++) {
    for (const scenario of names) tasks.push({ scenario, seed })
  }
  return new Progress(tasks, values['keep-going']).run(Math.min(jobs, tasks.length))
}

class Progress {
  readonly #tasks: readonly Task[]
  readonly #keepGoing: boolean
  readonly #began = performance.now()
  readonly #marks = new Map<string, number>()
  #next = 0
  #done = 0
  #failed = 0
  #events = 0
  #simulatedMs = 0
  #reportedMs = 0

  constructor(tasks: readonly Task[], keepGoing: boolean) {
    this.#tasks = tasks
    this.#keepGoing = keepGoing
  }

  async run(jobs: number): Promise<number> {
    if (jobs === 1) {
      for (let task = this.#take(); task !== null; task = this.#take()) {
        this.#note(await perform(task))
      }
    } else await Promise.all(Array.from({ length: jobs }, () => this.#feed()))
    this.#report()
    const marks = [...this.#marks].toSorted(([left], [right]) => (left < right ? -1 : 1))
    print(`marks: ${marks.map(([name, count]) => `${name} ${count}`).join(', ')}`)
    print(this.#failed === 0 ? 'all clean' : `${this.#failed} failed`)
    return this.#failed === 0 ? 0 : 1
  }

  #take(): Task | null {
    if (this.#failed > 0 && !this.#keepGoing) return null
    return this.#tasks[this.#next++] ?? null
  }

  /** Keeps one worker busy until nothing is left. */
  #feed(): Promise<void> {
    const worker: ChildProcess = fork(import.meta.filename, ['--worker'])
    return new Promise((resolve, reject) => {
      const send = () => {
        const task = this.#take()
        if (task === null) worker.disconnect()
        else worker.send(task)
      }
      worker.on('message', (done: Done) => {
        this.#note(done)
        send()
      })
      worker.on('error', reject)
      worker.on('exit', (code) => {
        if (code === 0) resolve()
        else reject(new Error(`a worker ended with status ${code}`))
      })
      send()
    })
  }

  #note(done: Done): void {
    this.#done++
    this.#events += done.events
    this.#simulatedMs += done.simulatedMs
    for (const [name, count] of done.marks)
      this.#marks.set(name, (this.#marks.get(name) ?? 0) + count)
    if (done.failure !== null) {
      this.#failed++
      print(done.failure)
    }
    if (performance.now() - this.#reportedMs > REPORT_EVERY_MS) this.#report()
  }

  #report(): void {
    this.#reportedMs = performance.now()
    const elapsedMs = this.#reportedMs - this.#began
    const perMinute = (this.#done / elapsedMs) * 60_000
    const ratio = this.#simulatedMs / elapsedMs
    print(
      `${this.#done} of ${this.#tasks.length} runs, ${this.#failed} failed, ` +
        `${perMinute.toFixed(0)} per minute, ${(this.#events / 1e6).toFixed(1)} M events, ` +
        `simulated : real time ${ratio.toFixed(0)} : 1`,
    )
  }
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

if (process.argv.includes('--worker')) work()
else process.exitCode = await main()
