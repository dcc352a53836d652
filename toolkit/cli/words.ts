/**
 * Lines of the shell into words. Source: ZooKeeperMain.MyCommandOptions, 3.9.5: words are split at
 * blanks, '…' and "…" group, and there are no escapes; a quote inside of a word is part of it.
 */

/** Java's \s and \S: JavaScript's know more blanks. */
const WORD = /[ \t\n\v\f\r]*([^"'][^ \t\n\v\f\r]*|"[^"]*"|'[^']*')[ \t\n\v\f\r]*/g
const QUOTED = /^(['"]).*\1$/s

/** Empty when there is no word, as in a line of one lonely quote. */
export function wordsOf(line: string): string[] {
  return Array.from(line.matchAll(WORD), (match) => {
    const word = match[1] ?? ''
    return word.length > 1 && QUOTED.test(word) ? word.slice(1, -1) : word
  })
}
