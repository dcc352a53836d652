/**
 * The resource that both copies of the service write to: an append-only file, fsynced before each
 * answer, that keeps the highest fencing token it has seen and refuses lower ones.
 *
 * Invariants:
 * 1. An entry is answered with 201 only after fsync has returned; a torn last line is cut at start.
 * 2. Tokens in the file never go down. The highest one is durable with the line that brought it, so
 *    that a restarted ledger still refuses the one before (H-2, proof (d) of H-1).
 *
 * `POST /tokens` announces a token without an entry: a new active does so before it takes orders, and
 * from then on nothing of the former one gets in, however late it arrives.
 */
import { mkdir, open, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import fastify, { type FastifyInstance } from 'fastify'

export interface LedgerLine {
  readonly index: number
  /** Decimal, for it may exceed 2^53. */
  readonly token: string
  readonly member: string
  /** null for a token that was only announced. */
  readonly order: string | null
  readonly at: string
}

export class LedgerRefusal extends Error {
  readonly highest: bigint

  constructor(token: bigint, highest: bigint) {
    super(`token ${token} is below ${highest}, the highest seen`)
    this.highest = highest
  }
}

interface Waiting {
  readonly text: string
  readonly line: LedgerLine
  resolve(line: LedgerLine): void
  reject(error: Error): void
}

export class Ledger {
  readonly #file: FileHandle
  #lines: LedgerLine[]
  #nextIndex: number
  #highest: bigint
  #waiting: Waiting[] = []
  #isWriting = false
  #failure: Error | null = null

  private constructor(file: FileHandle, lines: LedgerLine[]) {
    this.#file = file
    this.#lines = lines
    this.#nextIndex = lines.length
    this.#highest = lines.reduce(
      (most, { token }) => (BigInt(token) > most ? BigInt(token) : most),
      0n,
    )
  }

  static async open(path: string): Promise<Ledger> {
    await mkdir(dirname(path), { recursive: true })
    const file = await open(path, 'a+', 0o600)
    const text = await file.readFile('utf8')
    // What follows the last line end was never answered.
    const whole = text.slice(0, text.lastIndexOf('\n') + 1)
    if (whole.length < text.length) {
      await file.truncate(Buffer.byteLength(whole))
      await file.sync()
    }
    const lines = whole.split('\n').slice(0, -1)
    const directory = await open(dirname(path), 'r')
    await directory.sync()
    await directory.close()
    // Each whole line was written by us, below.
    return new Ledger(
      file,
      lines.map((line) => JSON.parse(line) as LedgerLine),
    )
  }

  /** The highest token seen. */
  get highest(): bigint {
    return this.#highest
  }

  /** What is durable, in order. */
  get lines(): readonly LedgerLine[] {
    return this.#lines
  }

  /** @throws LedgerRefusal when a higher token was seen; nothing was written then */
  append(token: bigint, entry: { member: string; order: string | null }): Promise<LedgerLine> {
    if (this.#failure !== null) return Promise.reject(this.#failure)
    if (token < this.#highest) return Promise.reject(new LedgerRefusal(token, this.#highest))
    // From here on lower tokens are refused, though nobody is told so before it is durable.
    this.#highest = token
    const line: LedgerLine = {
      index: this.#nextIndex++,
      token: token.toString(),
      ...entry,
      at: new Date().toISOString(),
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ text: `${JSON.stringify(line)}\n`, line, resolve, reject })
      if (!this.#isWriting) void this.#write()
    })
  }

  async close(): Promise<void> {
    await this.#file.close()
  }

  /** Many appends under one fsync: what arrives while one is under way goes with the next. */
  async #write(): Promise<void> {
    this.#isWriting = true
    while (this.#waiting.length > 0) {
      const batch = this.#waiting
      this.#waiting = []
      try {
        const bytes = Buffer.from(batch.map(({ text }) => text).join(''))
        await this.#file.appendFile(bytes)
        await this.#file.datasync()
      } catch (error) {
        // After a failed fsync nothing about the file is known: no further answer is given.
        this.#failure = new Error('the ledger cannot write', { cause: error })
        for (const waiting of [...batch, ...this.#waiting]) waiting.reject(this.#failure)
        this.#waiting = []
        break
      }
      for (const { line, resolve } of batch) {
        this.#lines.push(line)
        resolve(line)
      }
    }
    this.#isWriting = false
  }
}

const TOKEN = { type: 'string', pattern: '^[0-9]{1,19}$' }
const NAME = { type: 'string', minLength: 1, maxLength: 100 }
const body = (properties: Record<string, unknown>) => ({
  schema: {
    body: {
      type: 'object',
      properties,
      required: Object.keys(properties),
      additionalProperties: false,
    },
  },
})

export function ledgerServer(ledger: Ledger): FastifyInstance {
  const server = fastify({ bodyLimit: 65_536 })

  server.setErrorHandler((error, _request, reply) => {
    if (error instanceof LedgerRefusal) {
      return reply.code(409).send({ error: error.message, highest: error.highest.toString() })
    }
    const status = (error as { statusCode?: number }).statusCode ?? 500
    return reply
      .code(status)
      .send({ error: error instanceof Error ? error.message : String(error) })
  })

  server.get('/', () => ({
    highest: ledger.highest.toString(),
    entries: ledger.lines.length,
    last: ledger.lines.at(-1) ?? null,
  }))

  server.get<{ Querystring: { from?: string } }>('/entries', (request) =>
    ledger.lines.slice(Number(request.query.from ?? 0) || 0),
  )

  server.post<{ Body: { token: string; member: string; order: string } }>(
    '/entries',
    body({ token: TOKEN, member: NAME, order: { type: 'string', maxLength: 10_000 } }),
    async (request, reply) => {
      const { token, member, order } = request.body
      return reply.code(201).send(await ledger.append(BigInt(token), { member, order }))
    },
  )

  server.post<{ Body: { token: string; member: string } }>(
    '/tokens',
    body({ token: TOKEN, member: NAME }),
    async (request, reply) => {
      const { token, member } = request.body
      return reply.code(201).send(await ledger.append(BigInt(token), { member, order: null }))
    },
  )
  return server
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '8200' },
      file: { type: 'string', default: '.howdah/ledger' },
    },
  })
  const ledger = await Ledger.open(values.file)
  const server = ledgerServer(ledger)
  await server.listen({ host: '127.0.0.1', port: Number(values.port) })
  process.stdout.write(
    `ledger at http://127.0.0.1:${values.port}/ highest token ${ledger.highest}\n`,
  )
  process.once('SIGTERM', () => void server.close())
}
