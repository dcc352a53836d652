/** Templates: values stay in their place, or are refused. */
import { describe, expect, test } from 'vitest'
import { expandArgv, expandUrl, ownValues, TemplateError } from '../../failover/templates.ts'

const situation = { token: 7n, role: 'active', reason: 'a; rm -rf /', pid: 42 }
const values = ownValues('a', { host: 'o1.example', port: 8080 }, situation)

test('a value stays inside its argv element (S-19)', () => {
  expect(expandArgv(['notify', '{member}:{port}', '{reason}'], values)).toEqual([
    'notify',
    'a:8080',
    'a; rm -rf /',
  ])
})

test('in a URL values are encoded, and an IPv6 host gets its brackets', () => {
  const url = 'http://{host}:{port}/x?why={reason}&t={token}'
  expect(expandUrl(url, values)).toBe('http://o1.example:8080/x?why=a%3B%20rm%20-rf%20%2F&t=7')
  const six = ownValues('a', { host: '::1', port: 80 }, situation)
  expect(expandUrl('http://{host}:{port}/', six)).toBe('http://[::1]:80/')
})

describe('refused', () => {
  test.each([
    ['an unknown name', '{secret}', values],
    ['a host that is none', '{host}', { ...values, host: 'a b' }],
    ['a host that is an option', '{host}', { ...values, host: '-oProxyCommand=x' }],
    ['a host with a path', '{host}', { ...values, host: 'x/../y' }],
    ['a reason that is an option', '{reason}', { ...values, reason: '--force' }],
    ['a reason with a line break', '{reason}', { ...values, reason: 'a\nb' }],
    ['a token that is none', '{token}', { ...values, token: '1e3' }],
  ])('%s', (_, template, given) => {
    expect(() => expandArgv([template], given)).toThrow(TemplateError)
  })
})
