/**
 * A section of a JAAS file on disk: users of a server, or who a client is.
 *
 * DIGEST-MD5 is the only mechanism: a section that asks for another is a problem, and nothing falls back
 * to less (S-3).
 */
import { readFileSync, statSync } from 'node:fs'
import {
  DIGEST_LOGIN_MODULE,
  parseJaas,
  type JaasEntry,
  type Problem,
} from '../../ensemble/config/index.ts'

const OTHERS = 0o077

/** The value of the property as Java reads it: a path or a file URL, perhaps behind another `=`. */
export function jaasPath(value: string | null | undefined): string | null {
  if (value === null || value === undefined) return null
  const path = value.replace(/^=/, '').replace(/^file:(\/\/)?/, '')
  return path === '' ? null : path
}

/** Entries of one section, all of them DIGEST-MD5's; null when the file has no such section. */
export function readJaasSection(
  path: string,
  section: string,
  problems: Problem[],
): readonly JaasEntry[] | null {
  const text = readText(path, problems)
  if (text === null) return null
  const jaas = parseJaas(text, path)
  problems.push(...jaas.problems)
  const entries = jaas.sections.get(section) ?? null
  for (const { loginModule, line } of entries ?? []) {
    if (loginModule === DIGEST_LOGIN_MODULE) continue
    const isKerberos = loginModule.endsWith('Krb5LoginModule')
    const what = isKerberos
      ? `the section ${section} asks for Kerberos (GSSAPI), which is not available`
      : `the section ${section} names a login module that cannot be loaded here`
    problems.push({
      file: path,
      line,
      column: 1,
      what,
      got: loginModule,
      expected: DIGEST_LOGIN_MODULE,
    })
  }
  return entries
}

export function readText(path: string, problems: Problem[]): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    problems.push({ file: path, line: 0, column: 0, what: `cannot be read (${code})` })
    return null
  }
}

/** Windows keeps no such modes. */
export function isOpenToOthers(path: string): boolean {
  return process.platform !== 'win32' && (statSync(path).mode & OTHERS) !== 0
}
