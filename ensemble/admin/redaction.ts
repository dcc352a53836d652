/**
 * What administration shows of a configuration: keys, and values that are no secrets (S-16).
 *
 * Apache shows all system properties, passwords of key stores included; here only those of ZooKeeper
 * that were given, and secrets by name alone.
 */
import { isSecret, REDACTED } from '../sys/log-redaction.ts'
import type { ServerView } from './server-view.ts'

/** The text of a configuration file without the values of secrets, commented lines included. */
export function redactedConfiguration(text: string | null): string | null {
  if (text === null) return null
  let isHidden = false
  const lines = text.split(/(?<=\r\n|\n|\r)/).map((line) => {
    const isContinued = /(^|[^\\])(\\\\)*\\[\r\n]*$/.test(line)
    // A value goes on behind a backslash at the end of its line.
    if (isHidden) {
      isHidden = isContinued
      return ''
    }
    const entry = /^([\s#!]*)([^=:\s#!][^=:\s]*)(\s*[=:\s]\s*)[^\r\n]*([\r\n]*)$/.exec(line)
    if (entry === null) return line
    const [, before = '', key = '', between = '', end = ''] = entry
    if (!isSecret(key.replaceAll('\\', ''))) return line
    isHidden = isContinued
    return `${before}${key}${between.trimEnd() === '' ? '=' : between}${REDACTED}${end}`
  })
  return lines.join('')
}

/** `system_properties`: those given to this server, and what the names of Java's say about it. */
export function systemProperties({ settings, host }: ServerView): [string, string][] {
  const facts = host?.facts()
  const own: (readonly [string, string])[] =
    facts === undefined
      ? []
      : [
          ['java.version', facts.runtimeVersion],
          ['user.dir', facts.workingDirectory],
        ]
  const given = settings.systemProperties.map(
    ([name, value]) => [name, isSecret(name) ? REDACTED : value] as const,
  )
  return [...own, ...given]
    .map(([name, value]): [string, string] => [name, value])
    .sort(([left], [right]) => (left < right ? -1 : left > right ? 1 : 0))
}
