/**
 * Starts what a server shows over HTTP, if it is asked for: administration and metrics.
 *
 * Fastify and prom-client are loaded only then: a server's start does not wait for them. A port that
 * is taken costs that service and an error in the log, never the server, as with Apache's.
 */
import type { AdminSettings, MetricsSettings } from '../server/server-settings.ts'
import type { Logger } from '../sys/logger.ts'
import type { ServerView } from './server-view.ts'

export interface HttpServices {
  /** null: off, or it could not listen. */
  readonly adminPort: number | null
  readonly metricsPort: number | null
  close(): Promise<void>
}

interface Service {
  listen(): Promise<number>
  close(): Promise<void>
}

export async function startHttpServices(
  view: ServerView,
  { admin, metrics }: { admin: AdminSettings | null; metrics: MetricsSettings | null },
  log: Logger,
): Promise<HttpServices> {
  const started: Service[] = []
  const start = async (name: string, load: () => Promise<Service>): Promise<number | null> => {
    try {
      const service = await load()
      const port = await service.listen()
      started.push(service)
      log.info({ service: name, port }, 'serving HTTP')
      return port
    } catch (error) {
      log.error({ service: name, error: String(error) }, 'cannot serve HTTP')
      return null
    }
  }
  return {
    adminPort:
      admin === null
        ? null
        : await start('admin', async () => {
            const { AdminServer } = await import('./admin-server.ts')
            return new AdminServer(view, admin, log)
          }),
    metricsPort:
      metrics === null
        ? null
        : await start('metrics', async () => {
            const { PrometheusServer } = await import('./prometheus-server.ts')
            return new PrometheusServer(view, metrics)
          }),
    close: async () => {
      await Promise.all(started.map((service) => service.close()))
    },
  }
}
