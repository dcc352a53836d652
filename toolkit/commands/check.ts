/** `howdah check`: every problem of a file with its place; the derived times, a key, or the plan. */
import { CommandError, Exit, type Arguments, type Io } from '../command.ts'
import { explain } from '../setup/documents.ts'
import { explainZooKey } from '../setup/explain-zoo-key.ts'
import { fileOf, loadFile } from '../setup/find.ts'
import { groupSettings } from '../setup/group-settings.ts'
import { withoutSecrets, type LoadedSetUp } from '../setup/load.ts'
import { planOf } from '../setup/plan.ts'
import { formatProblem, printable, SetUpError, type Problem } from '../setup/problem.ts'
import { isYaml, readServerFile } from '../setup/server-file.ts'
import { checkStores } from '../setup/server-tls.ts'
import { readYamlServer } from '../setup/server-yaml.ts'
import { formatMs, groupTimes } from '../setup/times.ts'

export async function run(args: Arguments, io: Io): Promise<number> {
  const path = fileOf(args, io)
  try {
    return await (isYaml(path) ? checkYaml(path, args, io) : checkZooCfg(path, args, io))
  } catch (error) {
    if (error instanceof SetUpError) {
      // The findings are this command's result, so they go to stdout.
      io.out(`${error.message}\n${counted(error.problems.length, 'problem')}\n`)
      return Exit.usage
    }
    const { code } = error as NodeJS.ErrnoException
    if (code === undefined || error instanceof CommandError) throw error
    throw new CommandError(`cannot read ${printable(path)} (${code})`, Exit.usage, { cause: error })
  }
}

async function checkYaml(path: string, args: Arguments, io: Io): Promise<number> {
  const loaded = loadFile(path, io)
  const key = args.text('explain')
  if (key !== undefined) return explainKey({ key, path, loaded }, io)
  const notes = [...loaded.notes]
  for (const sid of Object.keys(loaded.setUp.ensemble.servers ?? {})) {
    const options = { sid: Number(sid), env: io.env, properties: args.properties }
    const server = readYamlServer(loaded, { ...options, file: path })
    notes.push(...server.notes, ...(await checkStores(server)))
  }
  for (const note of notes) io.out(noteLine(note))
  if (args.has('plan')) printPlan(loaded, io)
  else printTimes(loaded, io)
  io.out(`${path}: no problems\n`)
  return Exit.done
}

async function checkZooCfg(path: string, args: Arguments, io: Io): Promise<number> {
  if (args.has('plan')) throw new CommandError('--plan needs a YAML', Exit.usage)
  const key = args.text('explain')
  if (key !== undefined)
    return printExplained(
      explainZooKey(key, path, { env: io.env, properties: args.properties }),
      key,
      io,
    )
  const server = readServerFile([path], {
    sid: null,
    env: io.env,
    properties: args.properties,
  })
  for (const note of [...server.notes, ...(await checkStores(server))]) io.out(noteLine(note))
  io.out(`${path}: no problems\n`)
  return Exit.done
}

function noteLine(note: Problem): string {
  return `${note.isDanger === true ? 'WARNING' : 'note'}: ${formatProblem(note)}\n`
}

function explainKey(
  { key, path, loaded }: { key: string; path: string; loaded: LoadedSetUp },
  io: Io,
): number {
  return printExplained(explain(key, loaded.origins, path), key, io)
}

function printExplained(result: ReturnType<typeof explain>, key: string, io: Io): number {
  if ('text' in result) {
    io.out(`${result.text}\n`)
    return Exit.done
  }
  const hint = result.suggestion === undefined ? '' : `; did you mean "${result.suggestion}"?`
  throw new CommandError(`there is no key "${key}"${hint}`, Exit.usage)
}

function printTimes(loaded: LoadedSetUp, io: Io): void {
  for (const [name, group] of Object.entries(loaded.setUp.groups ?? {})) {
    const [member = ''] = Object.keys(group.members)
    const { list } = groupTimes(group, groupSettings(loaded, name, member))
    const width = Math.max(...list.map((time) => time.name.length)) + 2
    io.out(`times of group ${name}:\n`)
    for (const time of list) {
      io.out(`  ${time.name.padEnd(width)}${formatMs(time.ms).padEnd(9)}= ${time.formula}\n`)
    }
  }
}

function printPlan(loaded: LoadedSetUp, io: Io): void {
  io.out(`howdah up starts, each as a process of its own:\n`)
  for (const part of planOf(loaded)) {
    io.out(`  ${part.name.padEnd(16)}${part.kind.padEnd(12)}${part.addresses.join('  ')}\n`)
    io.out(`      ${withoutSecrets(part.argv.map(quoted).join(' '), loaded.secrets)}\n`)
  }
}

function quoted(word: string): string {
  return /^[\w./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
