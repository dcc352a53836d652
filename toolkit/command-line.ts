/** From the words of the command line to an exit status; errors become one line that says what to do. */
import { commands, commandsToCome } from './commands/index.ts'
import {
  CommandError,
  Exit,
  helpOf,
  parseArguments,
  UsageError,
  type CommandSpec,
  type Io,
} from './command.ts'
import { didYouMean, printable, SetUpError } from './setup/problem.ts'

export async function runCommandLine(words: readonly string[], io: Io): Promise<number> {
  const [name, ...rest] = words
  if (name === undefined) {
    io.err(overview())
    return Exit.usage
  }
  if (name === '--help' || name === '-h' || name === 'help') {
    const about = name === 'help' ? rest[0] : undefined
    if (about === undefined) {
      io.out(overview())
      return Exit.done
    }
    return runCommandLine([about, '--help'], io)
  }
  if (name === '--version' || name === 'version') {
    const { version } = await import('./version.ts')
    io.out(`howdah ${version()}, Node ${process.versions.node}\n`)
    return Exit.done
  }
  const spec = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (spec === undefined) {
    io.err(`howdah: ${unknownCommand(name)}\n`)
    return Exit.usage
  }
  if (asksForHelp(spec.ownWords === true ? rest.slice(0, 1) : rest)) {
    io.out(helpOf(name, spec))
    return Exit.done
  }
  return runCommand({ name, spec, rest }, io)
}

async function runCommand(
  { name, spec, rest }: { name: string; spec: CommandSpec; rest: readonly string[] },
  io: Io,
): Promise<number> {
  try {
    const args = parseArguments(rest, spec)
    const { run } = await spec.load()
    return await run(args, io)
  } catch (error) {
    return report(name, error, io)
  }
}

/** Without HOWDAH_DEBUG=1 a person sees what happened and what to do, never a stack. */
function report(name: string, error: unknown, io: Io): number {
  if (io.env['HOWDAH_DEBUG'] === '1' && error instanceof Error) io.err(`${error.stack}\n`)
  if (error instanceof SetUpError) {
    io.err(`${error.message}\n`)
    return Exit.usage
  }
  if (error instanceof UsageError) {
    io.err(`howdah ${name}: ${error.message} (see: howdah ${name} --help)\n`)
    return Exit.usage
  }
  const text = error instanceof Error ? error.message : String(error)
  io.err(`howdah ${name}: ${text.split('\n', 1)[0]}\n`)
  return error instanceof CommandError ? error.status : Exit.failed
}

function asksForHelp(words: readonly string[]): boolean {
  const end = words.indexOf('--')
  return (end < 0 ? words : words.slice(0, end)).some((word) => word === '--help' || word === '-h')
}

function unknownCommand(name: string): string {
  if (Object.hasOwn(commandsToCome, name)) return `"${name}" is not available yet`
  const known = [...Object.keys(commands), ...Object.keys(commandsToCome)]
  const meant = didYouMean(name, known)
  const hint = meant === undefined ? '' : `; did you mean "${meant}"?`
  return `unknown command "${printable(name)}"${hint} (see: howdah --help)`
}

function overview(): string {
  const width =
    Math.max(
      ...[...Object.keys(commands), ...Object.keys(commandsToCome)].map((name) => name.length),
    ) + 2
  return [
    'Howdah: a ZooKeeper-compatible ensemble and failover for services.',
    '',
    'Usage: howdah COMMAND …',
    '',
    'Commands (howdah COMMAND --help says more):',
    ...Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(width)}${summary}`),
    '',
    'Not available yet:',
    ...Object.entries(commandsToCome).map(([name, summary]) => `  ${name.padEnd(width)}${summary}`),
    '',
    'Examples:',
    '  howdah up examples/pair/howdah.yaml',
    '  howdah server zoo.cfg',
    '',
    'Exit status: 0 done or healthy, 1 failed or not healthy, 2 wrong usage or configuration, 3 cannot tell.',
    'HOWDAH_DEBUG=1 adds stack traces to errors.',
    '',
  ].join('\n')
}
