/** All commands of the shell, and the list of them that zkCli prints for a word it does not know. */
import { aclCommands } from './acl-commands.ts'
import type { CliCommand } from './command.ts'
import { ensembleCommands } from './ensemble-commands.ts'
import { nodeCommands } from './node-commands.ts'
import { compareText } from './option-parser.ts'
import { quotaCommands } from './quota-commands.ts'
import { transferCommands } from './transfer-commands.ts'
import { treeCommands } from './tree-commands.ts'
import { watchCommands } from './watch-commands.ts'

/** Commands of the shell itself, with their usage. */
export const SHELL_COMMANDS = {
  connect: 'host:port',
  history: '',
  redo: 'cmdno',
  printwatches: 'on|off',
  quit: '',
} as const

const all: readonly CliCommand[] = [
  ...nodeCommands,
  ...aclCommands,
  ...watchCommands,
  ...quotaCommands,
  ...ensembleCommands,
  ...treeCommands,
  ...transferCommands,
]

export const commands: ReadonlyMap<string, CliCommand> = new Map(
  all.map((command) => [command.name, command]),
)

export function isKnown(name: string): boolean {
  return commands.has(name) || Object.hasOwn(SHELL_COMMANDS, name)
}

export function commandNames(): string[] {
  return [...commands.keys(), ...Object.keys(SHELL_COMMANDS)].toSorted(compareText)
}

/** Of zkCli's commands, ours left out: scripts compare it. */
export function allUsages(): string {
  const usages = [
    ...all.filter(({ isOurs }) => isOurs !== true).map(({ name, usage }) => `${name} ${usage}`),
    ...Object.entries(SHELL_COMMANDS).map(([name, usage]) => `${name} ${usage}`),
  ]
  const lines = usages.toSorted(compareText).map((usage) => `\n\t${usage}`)
  return `ZooKeeper -server host:port -client-configuration properties-file cmd args${lines.join('')}`
}
