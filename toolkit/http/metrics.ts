/** Prometheus metrics of one controller; read from its status when they are asked for. */
import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client'
import type { ControllerStatus } from '../../failover/index.ts'
import type { StatusSource } from './controller-server.ts'

const ROLES = ['active', 'standby', 'initializing', 'fenced', 'unknown'] as const

export class ControllerMetrics {
  readonly #registry = new Registry()

  constructor(source: StatusSource) {
    const { cluster, group, member } = source.status
    this.#registry.setDefaultLabels({ cluster, group, member })
    collectDefaultMetrics({ register: this.#registry })

    const gauge = (
      name: string,
      help: string,
      value: (status: ControllerStatus) => number,
    ): void => {
      new Gauge({
        name,
        help,
        registers: [this.#registry],
        collect() {
          this.set(value(source.status))
        },
      })
    }
    gauge(
      'howdah_member_active_bool',
      '1 while the lease of this member has time left.',
      (status) => Number(status.role === 'active'),
    )
    gauge('howdah_member_healthy_bool', '1 while all health probes pass.', (status) =>
      Number(status.health === 'healthy'),
    )
    gauge('howdah_member_eligible_bool', '1 while this member may become active.', (status) =>
      Number(status.eligible),
    )
    gauge('howdah_group_paused_bool', '1 while decisions are off.', (status) =>
      Number(status.paused),
    )
    gauge('howdah_session_connected_bool', '1 while connected to the ensemble.', (status) =>
      Number(status.session.state === 'connected'),
    )
    gauge(
      'howdah_lease_left_seconds',
      'What is left of the own lease; 0 without one.',
      (status) => (status.leaseLeftMs ?? 0) / 1000,
    )
    gauge(
      'howdah_session_timeout_seconds',
      'Session time-out as granted.',
      (status) => status.session.timeoutMs / 1000,
    )
    gauge(
      'howdah_problems_count',
      'Problems that the status lists.',
      (status) => status.problems.length,
    )
    new Gauge({
      name: 'howdah_member_role_info',
      help: 'The role of this member: 1 at the label that is true.',
      labelNames: ['role'],
      registers: [this.#registry],
      collect() {
        for (const role of ROLES) this.set({ role }, Number(source.status.role === role))
      },
    })

    const changes = new Counter({
      name: 'howdah_role_changes_total',
      help: 'Changes of role since this controller started.',
      labelNames: ['role'],
      registers: [this.#registry],
    })
    let last = source.status.role
    source.onChange(({ role }) => {
      if (role === last) return
      last = role
      changes.inc({ role })
    })
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  text(): Promise<string> {
    return this.#registry.metrics()
  }
}
