/** Secrets of a configuration are never shown (S-16). */
import { expect, test } from 'vitest'
import { redactedConfiguration } from '../../../ensemble/admin/redaction.ts'

test.each([
  ['plain keys stay', 'tickTime=2000\ndataDir = /data\n', 'tickTime=2000\ndataDir = /data\n'],
  ['a password', 'ssl.keyStore.password=canary\n', 'ssl.keyStore.password=[redacted]\n'],
  [
    'a digest, with blanks and a colon',
    'DigestAuthenticationProvider.superDigest : super:canary\r\nx=1',
    'DigestAuthenticationProvider.superDigest : [redacted]\r\nx=1',
  ],
  ['a key and value with a blank between', 'superPassword canary', 'superPassword=[redacted]'],
  [
    'a line that was commented out',
    '  #ssl.trustStore.password=canary',
    '  #ssl.trustStore.password=[redacted]',
  ],
  [
    'a value that goes on in the next lines',
    'ssl.keyStore.password=can\\\n  ary\\\n  canary\ntickTime=1\n',
    'ssl.keyStore.password=[redacted]\ntickTime=1\n',
  ],
  ['a key with escapes', 'ssl.keyStore.pass\\word=canary', 'ssl.keyStore.pass\\word=[redacted]'],
  ['a comment in words stays', '# the password is elsewhere\n', '# the password is elsewhere\n'],
])('%s', (_name, text, shown) => {
  expect(redactedConfiguration(text)).toBe(shown)
})
