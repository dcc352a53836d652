/**
 * Reads TypeScript as text, as far as rules about it need: where comments and strings are, and what
 * is imported. Not a parser; a `/` starts a regular expression when an operand is expected there.
 */

/** The text with the contents of comments, strings and regular expressions blanked out. */
export function blankOut(text: string): string {
  const out = text.split('')
  const blank = (start: number, end: number) => {
    for (let at = start; at < end; at++) if (out[at] !== '\n') out[at] = ' '
  }
  /** Depths of `{` at which a `${` of a template ends. */
  const templates: number[] = []
  let depth = 0
  let at = 0
  while (at < text.length) {
    const character = text[at]!
    const pair = text.slice(at, at + 2)
    if (pair === '//' || pair === '/*') {
      const end = text.indexOf(pair === '//' ? '\n' : '*/', at + 2)
      const stop = end < 0 ? text.length : pair === '//' ? end : end + 2
      blank(at, stop)
      at = stop
    } else if (character === "'" || character === '"') {
      const stop = skipTo(text, at + 1, character)
      blank(at + 1, stop)
      at = stop + 1
    } else if (character === '`' || (character === '}' && templates.at(-1) === depth)) {
      if (character === '}') templates.pop()
      const { stop, opens } = skipTemplate(text, at + 1)
      blank(at + 1, stop)
      if (opens) {
        templates.push(depth)
        at = stop + 2
      } else at = stop + 1
    } else if (
      character === '/' &&
      /(^|[(,=:[!&|?{};+*%<>~^-]|\b(return|typeof|case|in|of))\s*$/.test(before(out, at))
    ) {
      const stop = skipRegExp(text, at + 1)
      blank(at + 1, stop)
      at = stop + 1
    } else {
      if (character === '{') depth++
      if (character === '}') depth--
      at++
    }
  }
  return out.join('')
}

/** Imports and re-exports of a module, dynamic ones with a constant name too. */
export function importsOf(text: string): { specifier: string; typeOnly: boolean }[] {
  // Strings must be seen here, comments not.
  const code = withoutComments(text)
  const statement =
    /^\s*(?:import|export)\s+(type\s)?(?:[^'";]*?\sfrom\s+)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/gm
  return Array.from(code.matchAll(statement), ([, type, named, dynamic]) => ({
    specifier: named ?? dynamic ?? '',
    typeOnly: type !== undefined,
  }))
}

/** Comments blanked, strings kept: what `blankOut` blanked outside of them is put back. */
function withoutComments(text: string): string {
  const blanked = blankOut(text)
  return text.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, (comment, offset: number) =>
    blanked.slice(offset, offset + 2).trim() === '' ? comment.replace(/[^\n]/g, ' ') : comment,
  )
}

function before(out: readonly string[], at: number): string {
  return out.slice(Math.max(0, at - 12), at).join('')
}

function skipTo(text: string, start: number, quote: string): number {
  let at = start
  while (at < text.length && text[at] !== quote && text[at] !== '\n')
    at += text[at] === '\\' ? 2 : 1
  return at
}

function skipTemplate(text: string, start: number): { stop: number; opens: boolean } {
  let at = start
  while (at < text.length && text[at] !== '`') {
    if (text[at] === '$' && text[at + 1] === '{') return { stop: at, opens: true }
    at += text[at] === '\\' ? 2 : 1
  }
  return { stop: at, opens: false }
}

function skipRegExp(text: string, start: number): number {
  let at = start
  let inClass = false
  while (at < text.length && text[at] !== '\n' && (inClass || text[at] !== '/')) {
    if (text[at] === '[') inClass = true
    if (text[at] === ']') inClass = false
    at += text[at] === '\\' ? 2 : 1
  }
  return at
}
