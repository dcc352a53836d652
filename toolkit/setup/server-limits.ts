/** Bounds on what clients may ask, from Apache's keys and from switches of ours. */
import type { Settings } from '../../ensemble/config/index.ts'
import type { LimitSettings } from '../../ensemble/server/index.ts'

type Throttle = LimitSettings['connectionThrottle']

export function limitSettingsOf(settings: Settings): Partial<LimitSettings> {
  const { largeRequestThreshold } = settings
  return {
    connectionThrottle: connectionThrottleOf(settings),
    requestsMax: settings.request_throttle_max_requests,
    dropStale: settings.request_throttle_drop_stale,
    staleConnectionCheck: settings.request_stale_connection_check,
    staleLatencyCheck: settings.request_stale_latency_check,
    throttledOpWaitMs: settings.throttled_op_wait_time,
    // Apache's log says so of 0, and goes on without.
    largeRequestBytes: largeRequestThreshold === 0 ? -1 : largeRequestThreshold,
    largeRequestsBytesMax: settings.largeRequestMaxBytes,
    ...ours('authIdsMax', settings['howdah.maxAuthIds']),
    ...ours('watchesMax', settings['howdah.maxWatches']),
    ...ours('ephemeralsMax', settings['howdah.maxEphemerals']),
  }
}

/** A limit that is ours alone; nothing said leaves it as it is. */
function ours(key: keyof LimitSettings, given: number | null): Partial<LimitSettings> {
  return given === null ? {} : { [key]: given }
}

/** With weights, tokens are meant for new sessions, which take several each. */
function connectionThrottleOf(settings: Settings): Throttle {
  const { connection_throttle_tokens: tokens, connection_throttle_freeze_time: freeze } = settings
  if (tokens === 0) return null
  const local = settings.connection_throttle_local_session_weight
  const create = Math.max(settings.connection_throttle_global_session_weight, local)
  const resume = Math.max(settings.connection_throttle_renew_session_weight, local)
  const isWeighed = settings.connection_throttle_weight_enabled
  const scale = isWeighed ? create : 1
  return {
    tokens: tokens * scale,
    fillTimeMs: settings.connection_throttle_fill_time,
    fillCount: settings.connection_throttle_fill_count * scale,
    freezeTimeMs: freeze === -1 ? null : freeze,
    dropIncrease: settings.connection_throttle_drop_increase,
    dropDecrease: settings.connection_throttle_drop_decrease,
    decreaseRatio: settings.connection_throttle_decrease_ratio,
    weights: isWeighed ? { create, resume } : null,
  }
}
