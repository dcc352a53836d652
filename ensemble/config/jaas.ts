/**
 * A JAAS file: where Java's servers and clients keep their SASL users and passwords.
 *
 *     Server {
 *       org.apache.zookeeper.server.auth.DigestLoginModule required
 *       user_super="secret" user_bob="secret";
 *     };
 *
 * A problem anywhere in the file is one, as in Java; values are in no problem, for they are passwords.
 * Source: javax.security.auth.login.Configuration and ConfigFile of JDK 17, over a StreamTokenizer. Other than
 * there: `${property}` in a value is refused, as there are no system properties to put in its place.
 */
import type { Problem } from './problem.ts'

export interface JaasEntry {
  readonly loginModule: string
  readonly options: ReadonlyMap<string, string>
  readonly line: number
}

export interface Jaas {
  readonly sections: ReadonlyMap<string, readonly JaasEntry[]>
  readonly problems: readonly Problem[]
}

export const DIGEST_LOGIN_MODULE = 'org.apache.zookeeper.server.auth.DigestLoginModule'

const FLAGS = ['required', 'requisite', 'sufficient', 'optional']
const USER_PREFIX = 'user_'

/** Names and passwords of a server's entry. */
export function usersOf(entries: readonly JaasEntry[]): Map<string, string> {
  const users = new Map<string, string>()
  for (const { options } of entries) {
    for (const [key, value] of options) {
      if (key.startsWith(USER_PREFIX)) users.set(key.slice(USER_PREFIX.length), value)
    }
  }
  return users
}

export function parseJaas(text: string, file: string): Jaas {
  const sections = new Map<string, readonly JaasEntry[]>()
  const tokens = new Tokens(text)
  try {
    while (tokens.kind !== 'end') {
      const { line } = tokens
      const name = tokens.word('the name of a section')
      tokens.sign('{')
      const entries: JaasEntry[] = []
      while (tokens.text !== '}' || tokens.kind !== 'sign') entries.push(readEntry(tokens))
      tokens.sign('}')
      tokens.sign(';')
      if (sections.has(name))
        throw new Misread(`the section ${name} is there twice`, undefined, line)
      sections.set(name, entries)
    }
    return { sections, problems: [] }
  } catch (error) {
    if (!(error instanceof Misread)) throw error
    const { message: what, expected, line } = error
    return { sections: new Map(), problems: [{ file, line, column: 1, what, expected }] }
  }
}

function readEntry(tokens: Tokens): JaasEntry {
  const { line } = tokens
  const loginModule = tokens.word('the class of a login module')
  const flagLine = tokens.line
  const flag = tokens.word('a control flag')
  if (!FLAGS.includes(flag.toLowerCase())) {
    throw new Misread('no control flag follows the login module', FLAGS.join(', '), flagLine)
  }
  const options = new Map<string, string>()
  while (tokens.kind === 'word') {
    const key = tokens.word('an option')
    tokens.sign('=')
    const valueLine = tokens.line
    const value = tokens.word('a value')
    if (value.includes('${')) {
      throw new Misread(
        `the value of ${key} names a system property`,
        'the value itself',
        valueLine,
      )
    }
    options.set(key, value)
  }
  tokens.sign(';')
  return { loginModule, options, line }
}

class Misread extends Error {
  readonly expected: string | undefined
  readonly line: number

  constructor(what: string, expected: string | undefined, line: number) {
    super(what)
    this.expected = expected
    this.line = line
  }
}

const ESCAPES: Readonly<Record<string, string>> = {
  a: '\u0007',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\u000b',
}

/** One token at a time: a word (in quotes or not), a sign, or the end. */
class Tokens {
  kind: 'word' | 'sign' | 'end' = 'end'
  text = ''
  /** Where the token begins. */
  line = 1
  readonly #source: string
  #at = 0
  #lineAt = 1

  constructor(source: string) {
    this.#source = source
    this.#next()
  }

  /** Takes a word. */
  word(expected: string): string {
    if (this.kind !== 'word') throw this.#surprise(expected)
    const { text } = this
    this.#next()
    return text
  }

  /** Takes this sign. */
  sign(sign: string): void {
    if (this.kind !== 'sign' || this.text !== sign) throw this.#surprise(`"${sign}"`)
    this.#next()
  }

  /** Says nothing of a word: it may be a password. */
  #surprise(expected: string): Misread {
    const found =
      this.kind === 'sign' ? `"${this.text}"` : this.kind === 'end' ? 'the end' : 'a word'
    return new Misread(`${found} where something else was due`, expected, this.line)
  }

  #next(): void {
    this.#skipBlanks()
    const source = this.#source
    this.line = this.#lineAt
    const first = source[this.#at]
    if (first === undefined) {
      this.kind = 'end'
      this.text = ''
    } else if (first === '"' || first === "'") {
      this.#quoted(first)
    } else {
      const found = /^[\w.$*\u00a0-\uffff-]+/.exec(source.slice(this.#at, this.#at + 4096))
      this.kind = found === null ? 'sign' : 'word'
      this.text = found?.[0] ?? first
      this.#at += this.text.length
    }
  }

  #quoted(quote: string): void {
    const source = this.#source
    let text = ''
    for (;;) {
      const character = source[++this.#at]
      if (character === undefined || character === '\n' || character === '\r') {
        throw new Misread('a quote that is not closed', undefined, this.line)
      }
      if (character === quote) break
      if (character !== '\\') {
        text += character
        continue
      }
      const octal = /^[0-3][0-7]{0,2}|^[0-7]{1,2}/.exec(source.slice(this.#at + 1, this.#at + 4))
      if (octal !== null) {
        text += String.fromCharCode(parseInt(octal[0], 8))
        this.#at += octal[0].length
      } else {
        const escaped = source[++this.#at] ?? ''
        text += ESCAPES[escaped] ?? escaped
      }
    }
    this.#at++
    this.kind = 'word'
    this.text = text
  }

  /** Blanks, and comments of all three kinds that Java knows here. */
  #skipBlanks(): void {
    // oxlint-disable-next-line no-control-regex -- Java takes every control character for a blank
    const blank = /^(?:[\u0000-\u0020]+|\/\*[^]*?(?:\*\/|$)|\/[^\n\r]*)/
    for (;;) {
      const found = blank.exec(this.#source.slice(this.#at))
      if (found === null) return
      this.#at += found[0].length
      this.#lineAt += found[0].split('\n').length - 1
    }
  }
}
