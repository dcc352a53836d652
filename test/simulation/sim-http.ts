/**
 * HTTP between simulated processes: a request goes to whoever serves the port of its URL.
 *
 * Faults: delays, cut links (no answer until the time-out), answers that get lost after the request
 * was handled, and requests that are delivered late, long after the asker gave up: what rule H-3 is
 * about.
 */
import type { Http, HttpRequest, HttpResponse } from '../../ensemble/sys/http.ts'
import type { Prng } from './prng.ts'
import { systemError, type SimNetwork } from './sim-network.ts'
import type { Host, Proc, World } from './world.ts'

export interface HttpOptions {
  /** How likely a request is delivered only after `lateMeanMs` on average. */
  lateChance: number
  lateMeanMs: number
  /** How likely the answer is lost, though the request was handled. */
  lostAnswerChance: number
}

export const calmHttp: HttpOptions = { lateChance: 0, lateMeanMs: 2000, lostAnswerChance: 0 }

export type HttpHandler = (request: SimRequest) => HttpResponse | Promise<HttpResponse>

export interface SimRequest {
  readonly method: HttpRequest['method']
  readonly path: string
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

interface Serving {
  readonly proc: Proc
  readonly handler: HttpHandler
}

export class SimHttp {
  readonly world: World
  readonly network: SimNetwork
  readonly options: HttpOptions
  readonly #random: Prng
  readonly #serving = new Map<string, Serving>()

  constructor(network: SimNetwork, options: HttpOptions = calmHttp) {
    this.world = network.world
    this.network = network
    this.options = options
    this.#random = this.world.stream('http')
  }

  /** Serves a port of the process's host until the process ends. */
  serve(proc: Proc, port: number, handler: HttpHandler): void {
    const key = `${proc.host.address}:${port}`
    if (this.#serving.has(key)) throw systemError('EADDRINUSE', `listen ${key}`)
    this.#serving.set(key, { proc, handler })
    proc.onEnd.push(() => this.#serving.delete(key))
  }

  forProc(proc: Proc): Http {
    return {
      request: (options) =>
        new Promise((resolve, reject) => {
          if (!proc.diesBeforeEffect()) this.#request(proc, options, resolve, reject)
        }),
    }
  }

  #request(
    proc: Proc,
    options: HttpRequest,
    resolve: (response: HttpResponse) => void,
    reject: (error: Error) => void,
  ): void {
    const { world, network } = this
    const url = new URL(options.url)
    const loopback = url.hostname === '127.0.0.1' || url.hostname === 'localhost'
    const address = loopback ? proc.host.address : url.hostname
    const port = Number(url.port || 80)
    const remote = world.hosts.get(address)
    let isDone = false
    const timeoutUs = (options.timeoutMs * 1000) / proc.host.clockRate
    const timeout = world.schedule(proc, timeoutUs, 'http:timeout', port, () => {
      if (isDone) return
      isDone = true
      reject(new Error(`no answer within ${options.timeoutMs} ms`))
    })
    const finish = (kind: string, delayUs: number, action: () => void) => {
      world.schedule(proc, delayUs, kind, port, () => {
        if (isDone) return
        isDone = true
        timeout.cancelled = true
        action()
      })
    }
    if (remote === undefined) {
      finish('http:unknown-host', 500, () => reject(systemError('ENOTFOUND', address)))
      return
    }
    const late = this.#random.chance(this.options.lateChance)
    if (late) world.mark('http-late')
    const lateUs = late ? this.#random.exponential(this.options.lateMeanMs) * 1000 : 0
    const delayUs = network.delayUs(proc.host, remote) + lateUs
    world.schedule(null, delayUs, 'http:arrive', port, () => {
      if (!this.#reaches(proc.host, remote)) return
      const serving = this.#serving.get(`${address}:${port}`)
      const backUs = network.delayUs(remote, proc.host)
      if (serving === undefined) {
        finish('http:refused', backUs, () => reject(systemError('ECONNREFUSED', options.url)))
        return
      }
      const server = serving.proc
      // The asker sees the connection go when the server's process ends without an answer.
      let isAnswered = false
      server.onEnd.push((how) => {
        if (isAnswered || how === 'power-loss') return
        finish('http:reset', backUs, () => reject(systemError('ECONNRESET', options.url)))
      })
      const answer = (response: HttpResponse) => {
        isAnswered = true
        if (this.#random.chance(this.options.lostAnswerChance)) {
          world.mark('http-lost-answer')
          finish('http:lost', backUs, () => reject(systemError('ECONNRESET', options.url)))
          return
        }
        world.schedule(null, backUs, 'http:answer', port, () => {
          if (this.#reaches(remote, proc.host)) finish('http:done', 0, () => resolve(response))
        })
      }
      world.schedule(server, 5, 'http:serve', port, () => {
        const result = serving.handler(toSimRequest(url, options))
        if (!(result instanceof Promise)) return answer(result)
        result.then(
          (response) => {
            if (server.isAlive) answer(response)
          },
          (error: unknown) => world.crashedByBug(server, error),
        )
      })
    })
  }

  #reaches(from: Host, to: Host): boolean {
    return to.isUp && from.isUp && !this.network.isCut(from, to)
  }
}

function toSimRequest(url: URL, options: HttpRequest): SimRequest {
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(options.headers ?? {})) {
    headers[name.toLowerCase()] = value
  }
  return {
    method: options.method,
    path: url.pathname + url.search,
    headers,
    body: options.body ?? '',
  }
}
