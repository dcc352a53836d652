/**
 * Metrics for Prometheus under ZooKeeper's names: `GET /metrics`, without prefix, as Apache's
 * PrometheusMetricsProvider shows them.
 *
 * Values are read when somebody asks; nothing is kept here.
 * Source: PrometheusMetricsProvider, 3.9.5 (client-protocol 10.5). `exportJvmInfo` shows the runtime
 * there is: process_* and nodejs_*.
 */
import fastify, { type FastifyInstance } from 'fastify'
import { collectDefaultMetrics, Counter, Gauge, Registry, type Metric } from 'prom-client'
import type { MetricsSettings } from '../server/server-settings.ts'
import { counters, counterSets, gauges, gaugeSets } from './metric-values.ts'
import type { ServerView } from './server-view.ts'
import type { Summary } from './summary.ts'

const REQUEST_BYTES_MAX = 4096
const REQUEST_TIMEOUT_MS = 10_000
const BASIC = [0.5]
const ADVANCED = [0.5, 0.9, 0.99]

export class PrometheusServer {
  readonly #settings: MetricsSettings
  readonly #registry: Registry
  readonly #server: FastifyInstance

  constructor(view: ServerView, settings: MetricsSettings) {
    this.#settings = settings
    this.#registry = registryOf(view)
    if (settings.exportRuntimeInfo) collectDefaultMetrics({ register: this.#registry })
    this.#server = fastify({
      bodyLimit: REQUEST_BYTES_MAX,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionTimeout: REQUEST_TIMEOUT_MS,
      // A server that stops must not wait for a scraper's idle connection.
      forceCloseConnections: true,
    })
    this.#server.get('/metrics', async (_request, reply) => {
      reply.header('content-type', this.#registry.contentType).header('cache-control', 'no-store')
      return this.#registry.metrics()
    })
  }

  /** @returns the port @throws the system's error when it is taken */
  async listen(): Promise<number> {
    const { host, port } = this.#settings
    await this.#server.listen({ host, port })
    const [bound] = this.#server.addresses()
    return typeof bound === 'object' ? bound.port : port
  }

  close(): Promise<void> {
    return this.#server.close()
  }
}

function registryOf(view: ServerView): Registry {
  const registry = new Registry()
  const registers = [registry]
  for (const [name, read] of Object.entries(gauges)) {
    new Gauge({
      name,
      help: name,
      registers,
      collect() {
        const value = view.mode === null ? 0 : read(view)
        this.set(typeof value === 'number' ? value : value.value)
      },
    })
  }
  for (const [name, read] of Object.entries(gaugeSets)) {
    new Gauge({
      name,
      help: name,
      registers,
      labelNames: ['key'],
      collect() {
        this.reset()
        if (view.mode === null) return
        for (const [key, value] of read(view)) this.set({ key }, value)
      },
    })
  }
  for (const [name, read] of Object.entries(counterSets)) {
    new Counter({
      name,
      help: name,
      registers,
      labelNames: ['key'],
      collect() {
        this.reset()
        for (const [key, value] of read(view)) this.inc({ key }, value)
      },
    })
  }
  for (const [name, read] of Object.entries(counters)) {
    new Counter({
      name,
      help: name,
      registers,
      collect() {
        this.reset()
        this.inc(view.mode === null ? 0 : read(view))
      },
    })
  }
  const { basic, advanced, sets } = view.metrics
  for (const [name, values] of Object.entries(basic)) {
    register(registry, name, () => summaryRows(name, values, BASIC))
  }
  for (const [name, values] of Object.entries(advanced)) {
    register(registry, name, () => summaryRows(name, values, ADVANCED))
  }
  for (const [name, set] of Object.entries(sets)) {
    register(registry, name, () =>
      Array.from(set.entries(), ([key, values]) => summaryRows(name, values, [], { key })).flat(),
    )
  }
  return registry
}

interface Row {
  readonly metricName: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

function summaryRows(
  name: string,
  values: Summary,
  quantiles: readonly number[],
  labels: Readonly<Record<string, string>> = {},
): Row[] {
  return [
    ...quantiles.map((quantile) => ({
      metricName: name,
      labels: { ...labels, quantile: String(quantile) },
      value: values.count === 0 ? Number.NaN : values.quantile(quantile),
    })),
    { metricName: `${name}_count`, labels, value: values.count },
    { metricName: `${name}_sum`, labels, value: values.sum },
  ]
}

/** A summary whose values are ours: prom-client's own would keep a second copy of every one. */
function register(registry: Registry, name: string, rows: () => Row[]): void {
  const metric = {
    name,
    get: async () => ({ name, help: name, type: 'summary', values: rows() }),
  }
  // A registry asks its metrics for their name and `get` alone; the declared type is its own classes.
  registry.registerMetric(metric as unknown as Metric<string>)
}
