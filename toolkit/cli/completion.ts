/**
 * Completion of commands, of their options, and of paths as they are in the ensemble now.
 *
 * Invariant: it never fails and never waits long: without an answer there is nothing to complete.
 */
import { join } from '../../ensemble/client/index.ts'
import { commandNames, commands } from './commands.ts'
import { compareText } from './option-parser.ts'
import type { Shell } from './shell.ts'

const WAIT_MS = 2000
const SHOWN_MAX = 500

/** @returns the candidates, and the text at the end of the line that each of them replaces */
export async function complete(line: string, shell: Shell): Promise<[string[], string]> {
  const [, before = '', word = ''] = /^(.*[ \t])?([^ \t]*)$/s.exec(line) ?? []
  if (word.startsWith('/')) return [await pathsFrom(word, shell), word]
  const starts = (text: string) => text.startsWith(word)
  if (before.trim() === '') return [commandNames().filter(starts).map(withBlank), word]
  if (!word.startsWith('-')) return [[], word]
  const options = commands.get(before.trim().split(/\s+/, 1)[0] ?? '')?.options ?? {}
  const names = Object.keys(options).map((option) => `-${option}`)
  return [names.filter(starts).map(withBlank), word]
}

function withBlank(text: string): string {
  return `${text} `
}

async function pathsFrom(word: string, shell: Shell): Promise<string[]> {
  const slash = word.lastIndexOf('/')
  const parent = slash === 0 ? '/' : word.slice(0, slash)
  const prefix = word.slice(slash + 1)
  if (!shell.connection.isConnected) return []
  try {
    const { children } = await shell.connection.ask(
      parent,
      (client, options) => client.getChildren(parent, options),
      { signal: AbortSignal.timeout(WAIT_MS) },
    )
    return children
      .filter((name) => name.startsWith(prefix) && !/[\s'"]/.test(name))
      .toSorted(compareText)
      .slice(0, SHOWN_MAX)
      .map((name) => join(parent, name))
  } catch {
    // The server said no, or nothing: pressing the key again asks again.
    return []
  }
}
