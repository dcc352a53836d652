/** Settings that open a server are said loudly, with their place and without their value. */
import { expect, test } from 'vitest'
import { parseZooCfg } from '../../../ensemble/config/index.ts'

const BASE = 'dataDir=/d\nclientPort=2181\n'

function dangers(text: string, flags = ''): { place: string; what: string }[] {
  const { notes, problems } = parseZooCfg(BASE + text, 'zoo.cfg', { flags })
  expect(problems).toEqual([])
  return notes
    .filter((note) => note.isDanger === true)
    .map(({ file, line, what }) => ({ place: `${file}:${line}`, what }))
}

test('a server without any of them is not warned of', () => {
  expect(dangers('skipACL=no\nforceSync=yes\n')).toEqual([])
})

test.each([
  ['skipACL=yes', 'skipACL'],
  ['DigestAuthenticationProvider.superDigest=super:canary', 'superDigest'],
  ['X509AuthenticationProvider.superUser=CN=canary', 'X509AuthenticationProvider.superUser'],
  ['SASLAuthenticationProvider.superPassword=canary', 'superPassword'],
  ['superUser=canary', 'superUser'],
  ['superUser.second=canary', 'superUser.second'],
  ['letAnySaslUserDoX=canary', 'letAnySaslUserDoX'],
  ['forceSync=no', 'forceSync'],
  ['IPAuthenticationProvider.usexforwardedfor=true', 'usexforwardedfor'],
  ['allowSaslFailedClients=true', 'allowSaslFailedClients'],
])('%s is warned of (S-7)', (line, key) => {
  const [found, ...more] = dangers(`${line}\n`)
  expect(more).toEqual([])
  expect(found).toMatchObject({ place: 'zoo.cfg:3' })
  expect(found?.what).toContain(key)
  expect(found?.what).not.toContain('canary')
})

test('so are those given by -D (S-7)', () => {
  expect(dangers('', '-Dzookeeper.skipACL=yes')).toMatchObject([{ place: '-D:0' }])
})
