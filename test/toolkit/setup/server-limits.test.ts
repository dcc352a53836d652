/** Apache's keys for throttles and limits, and our own switches, as the server gets them. */
import { expect, test } from 'vitest'
import { parseZooCfg } from '../../../ensemble/config/index.ts'
import { serverSettings } from '../../../ensemble/server/index.ts'
import { limitSettingsOf } from '../../../toolkit/setup/server-limits.ts'

function limitsOf(lines: string, flags = '') {
  const { settings, problems } = parseZooCfg(`dataDir=/d\n${lines}`, 'zoo.cfg', { flags })
  expect(problems).toEqual([])
  const limits = limitSettingsOf(settings)
  return serverSettings({ dataDir: '/d', limits }).limits
}

test('nothing is limited that Apache does not limit, but for ids', () => {
  expect(limitsOf('')).toEqual({
    connectionThrottle: null,
    requestsMax: 0,
    dropStale: true,
    staleConnectionCheck: true,
    staleLatencyCheck: false,
    throttledOpWaitMs: 0,
    largeRequestBytes: -1,
    largeRequestsBytesMax: 104_857_600,
    authIdsMax: 128,
    watchesMax: 0,
    ephemeralsMax: 0,
  })
})

test('weights scale the bucket, and are at least that of a local session', () => {
  const lines = [
    'connection_throttle_tokens=10',
    'connection_throttle_fill_count=2',
    'connection_throttle_freeze_time=500',
    'connection_throttle_weight_enabled=true',
    'connection_throttle_local_session_weight=4',
  ]
  expect(limitsOf(lines.join('\n')).connectionThrottle).toEqual({
    tokens: 40,
    fillTimeMs: 1,
    fillCount: 8,
    freezeTimeMs: 500,
    dropIncrease: 0.02,
    dropDecrease: 0.002,
    decreaseRatio: 0,
    weights: { create: 4, resume: 4 },
  })
})

test('requests, large ones, and what is ours', () => {
  const lines = [
    'request_throttle_max_requests=500',
    'request_throttle_drop_stale=false',
    'request_stale_latency_check=true',
    'throttled_op_wait_time=250',
    'largeRequestThreshold=0',
    'largeRequestMaxBytes=5000',
    'howdah.maxEphemerals=7',
  ]
  const flags = '-Dhowdah.maxWatches=100000 -Dhowdah.maxAuthIds=4'
  expect(limitsOf(lines.join('\n'), flags)).toMatchObject({
    requestsMax: 500,
    dropStale: false,
    staleLatencyCheck: true,
    throttledOpWaitMs: 250,
    largeRequestBytes: -1,
    largeRequestsBytesMax: 5000,
    authIdsMax: 4,
    watchesMax: 100_000,
    ephemeralsMax: 7,
  })
})

test('a switch of ours with a wrong value, and a misspelt one, are problems, not what it was without', () => {
  const flags = '-Dhowdah.maxEphemerals=many -Dhowdah.sessionPassword=apache'
  const { problems } = parseZooCfg('dataDir=/d', 'zoo.cfg', { flags })
  expect(problems).toMatchObject([
    { file: '-D', what: 'howdah.maxEphemerals', got: 'many' },
    {
      file: '-D',
      what: '-Dhowdah.sessionPassword is not known',
      suggestion: 'howdah.sessionPasswords',
    },
  ])
})
