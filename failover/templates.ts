/**
 * Templates in commands and URLs: `{member}`, `{host}` … for the member that runs a command, and
 * only `{self.…}` and `{target.…}` in fencing, so that nobody powers off the wrong machine.
 *
 * Invariants: a value stays inside its argv element (no shell, no splitting); it matches a strict
 * pattern, or the template is refused; in a URL's path and query it is percent-encoded.
 * Source: toolkit.md 3, "Commands are argv arrays".
 */
import type { MemberSettings } from './settings.ts'

export class TemplateError extends Error {
  override readonly name = 'TemplateError'
}

export type TemplateValues = Readonly<Record<string, string>>

/** What a value may look like, by the last part of its name. */
const PATTERNS: Readonly<Record<string, RegExp>> = {
  member: /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/,
  host: /^[A-Za-z0-9:[\]][A-Za-z0-9.:_[\]-]{0,252}$/,
  port: /^[0-9]{1,5}$/,
  pid: /^[0-9]{0,10}$/,
  role: /^[a-z]{1,20}$/,
  token: /^[0-9]{1,19}$/,
  // People write reasons: any printable text; it is one argv element, never a leading option.
  reason: /^[^\p{Cc}-][^\p{Cc}]{0,500}$|^$/u,
}

const PLACE = /\{([A-Za-z][A-Za-z.]*)\}/g

export function expandText(template: string, values: TemplateValues): string {
  return expandWith(template, values, (value) => value)
}

export function expandUrl(template: string, values: TemplateValues): string {
  return expandWith(template, values, (value, name) =>
    // A host stands in the authority, where a colon or bracket of IPv6 must stay.
    lastPart(name) === 'host' ? hostInUrl(value) : encodeURIComponent(value),
  )
}

export function expandArgv(argv: readonly string[], values: TemplateValues): string[] {
  return argv.map((part) => expandText(part, values))
}

function expandWith(
  template: string,
  values: TemplateValues,
  encode: (value: string, name: string) => string,
): string {
  return template.replace(PLACE, (_, name: string) => {
    const value = values[name]
    if (value === undefined) {
      throw new TemplateError(`{${name}} is unknown here; known: ${Object.keys(values).join(', ')}`)
    }
    const pattern = PATTERNS[lastPart(name)]
    if (pattern === undefined || !pattern.test(value)) {
      throw new TemplateError(`the value of {${name}} does not match its pattern`)
    }
    return encode(value, name)
  })
}

function lastPart(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1)
}

function hostInUrl(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
}

export interface Situation {
  readonly token: bigint
  readonly role: string
  readonly reason: string
  readonly pid: number | null
}

/** Values for a command that a member runs for itself. */
export function ownValues(
  member: string,
  settings: MemberSettings,
  situation: Situation,
): TemplateValues {
  return {
    member,
    host: settings.host,
    port: String(settings.port),
    token: situation.token.toString(),
    role: situation.role,
    reason: situation.reason,
    pid: situation.pid === null ? '' : String(situation.pid),
  }
}

/** Values for fencing: both sides by name; `{token}` is the new one. */
export function fencingValues(sides: {
  self: string
  selfSettings: MemberSettings
  target: string
  targetSettings: MemberSettings
  token: bigint
  targetToken: bigint | null
}): TemplateValues {
  return {
    'self.member': sides.self,
    'self.host': sides.selfSettings.host,
    'self.port': String(sides.selfSettings.port),
    'target.member': sides.target,
    'target.host': sides.targetSettings.host,
    'target.port': String(sides.targetSettings.port),
    'target.token': (sides.targetToken ?? 0n).toString(),
    token: sides.token.toString(),
  }
}
