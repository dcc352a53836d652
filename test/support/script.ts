/**
 * Runs a script against a state machine: blocks of an input, `----`, and the effects it must have.
 * `vitest -u` rewrites the effects, and that diff is reviewed like code.
 */
import { readFileSync } from 'node:fs'
import { expect } from 'vitest'

/** Performs one line of input; returns the effects, one a line. */
export type Interpreter = (
  words: string[],
  options: Readonly<Record<string, string>>,
  line: string,
) => string[]

/** @param file absolute path of the script */
export async function runScript(file: string, interpret: Interpreter): Promise<void> {
  const blocks = readFileSync(file, 'utf8')
    .trimEnd()
    .split(/\n{2,}/)
  const ran = blocks.map((block) => {
    const separator = block.indexOf('\n----')
    const input = separator === -1 ? block : block.slice(0, separator)
    const effects = input
      .split('\n')
      .filter((line) => !line.startsWith('#') && line.trim() !== '')
      .flatMap((line) => interpretLine(line, interpret))
    return `${input}\n----\n${effects.length === 0 ? 'nothing' : effects.join('\n')}`
  })
  await expect(`${ran.join('\n\n')}\n`).toMatchFileSnapshot(file)
}

function interpretLine(line: string, interpret: Interpreter): string[] {
  const parts = line.trim().split(/\s+/)
  const isOption = (part: string) => /^[a-zA-Z]+=/.test(part)
  const pairs = parts.filter(isOption).map((part) => {
    const at = part.indexOf('=')
    return [part.slice(0, at), part.slice(at + 1)]
  })
  const words = parts.filter((part) => !isOption(part))
  return interpret(words, Object.fromEntries(pairs), line)
}
