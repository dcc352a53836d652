/**
 * The controller's side of the watchdog process (watchdog-process.ts): starts it and feeds it lines.
 *
 * Invariant: the controller never waits for it; one that died is started again, and a group with
 * `watchdog: required` does not compete meanwhile.
 */
import type { Child } from '../ensemble/sys/process.ts'
import type { Sys } from '../ensemble/sys/sys.ts'
import type { GroupSettings } from './settings.ts'
import { expandUrl, ownValues } from './templates.ts'
import type { Feed, WatchedSession } from './watchdog.ts'

const RESTART_MS = 1000

export class WatchdogLink {
  readonly #settings: GroupSettings
  readonly #sys: Sys
  readonly #onChange: () => void
  #child: Child | null = null
  #isOver = true
  #last: readonly Feed[] = []

  constructor(settings: GroupSettings, sys: Sys, onChange: () => void) {
    this.#settings = settings
    this.#sys = sys
    this.#onChange = onChange
  }

  get pid(): number | null {
    return this.#child?.pid ?? null
  }

  start(servicePid: number | null): void {
    if (this.#settings.watchdog === 'off' || this.#settings.watchdogArgv === undefined) return
    this.#isOver = false
    this.#last = [{ kind: 'service', servicePid }]
    this.#spawn()
  }

  arm(deadline: Omit<Extract<Feed, { kind: 'arm' }>, 'kind'>): void {
    this.#feed({ kind: 'arm', ...deadline })
  }

  disarm(): void {
    this.#feed({ kind: 'disarm' })
  }

  serviceIs(servicePid: number | null): void {
    this.#feed({ kind: 'service', servicePid })
  }

  sessionIs(session: WatchedSession): void {
    this.#feed({ kind: 'session', session })
  }

  /** The controller ends in order. */
  part(): void {
    this.#feed({ kind: 'part' })
    this.#isOver = true
  }

  #feed(feed: Feed): void {
    // What a watchdog that is started anew must be told: the last of each sort.
    this.#last = [...this.#last.filter((one) => sortOf(one) !== sortOf(feed)), feed]
    this.#child?.write?.(`${JSON.stringify(feed)}\n`)
  }

  #spawn(): void {
    const argv = this.#settings.watchdogArgv
    if (argv === undefined || this.#isOver) return
    const { deactivate } = this.#settings.service
    const { member, members } = this.#settings
    const url =
      deactivate.kind === 'http'
        ? expandUrl(
            deactivate.url,
            ownValues(member, members[member]!, {
              token: 0n,
              role: 'standby',
              reason: '',
              pid: null,
            }),
          )
        : ''
    const method = deactivate.kind === 'http' ? deactivate.method : 'POST'
    const log = this.#sys.log.child({ watchdog: member })
    const child = this.#sys.process.spawn({
      argv: [...argv, url, method, String(deactivate.timeoutMs)],
      input: true,
      onOutput: (chunk) => log.warn({ text: chunk.toString('utf8').trim() }, 'watchdog'),
    })
    this.#child = child
    for (const feed of this.#last) child.write?.(`${JSON.stringify(feed)}\n`)
    void child.exited.then(() => {
      if (this.#child !== child) return
      this.#child = null
      this.#onChange()
      if (this.#isOver) return
      this.#sys.log.error({}, 'the watchdog has died and is started again')
      this.#sys.clock.setTimer(RESTART_MS, () => {
        this.#spawn()
        this.#onChange()
      })
    })
  }
}

function sortOf({ kind }: Feed): 'service' | 'session' | 'deadline' {
  return kind === 'service' || kind === 'session' ? kind : 'deadline'
}
