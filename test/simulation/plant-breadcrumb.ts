/**
 * A planted bug: a controller that skips the breadcrumb of others. To it, whoever was active before
 * has left in order: no breadcrumb, and a lease that was given back.
 */
import type { Client } from '../../ensemble/client/index.ts'
import type { Coordination } from '../../failover/index.ts'

/** The client as such a controller would use it. */
export function withoutBreadcrumbs(client: Client, self: string): Coordination {
  const isOthers = (data: Buffer | null) =>
    data !== null && (JSON.parse(data.toString()) as { member?: string }).member !== self
  return new Proxy(client as unknown as Coordination, {
    get(target, name) {
      if (name === 'get') {
        return async (...[path, options]: Parameters<Coordination['get']>) => {
          const read = await target.get(path, options)
          if (path.endsWith('/breadcrumb') && isOthers(read.data)) {
            throw Object.assign(new Error('skipped'), { code: 'noNode' })
          }
          if (path.endsWith('/lease') && isOthers(read.data)) {
            const value = { ...(JSON.parse(read.data!.toString()) as object), leaseMs: 0 }
            return { data: Buffer.from(JSON.stringify(value)), stat: read.stat }
          }
          return read
        }
      }
      if (name === 'exists') {
        return async (...[path, options]: Parameters<Coordination['exists']>) => {
          const stat = await target.exists(path, options)
          if (stat === null || !path.endsWith('/breadcrumb')) return stat
          return isOthers((await target.get(path)).data) ? null : stat
        }
      }
      if (name === 'create') {
        // What it did not look at, it writes over.
        return async (...[path, data, options]: Parameters<Coordination['create']>) => {
          if (!path.endsWith('/breadcrumb')) return target.create(path, data, options)
          if ((await target.exists(path)) === null) return target.create(path, data, options)
          await target.set(path, data)
          return { path }
        }
      }
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}
