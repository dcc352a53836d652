/** `howdah init`: makes a group's root, as `hdfs zkfc -formatZK` does. */
import { CommandError, Exit, type Arguments, type Io } from '../command.ts'
import { initGroups } from '../init-groups.ts'
import { loadFile, setUpFileOf } from '../setup/find.ts'
import { didYouMean, printable } from '../setup/problem.ts'

export async function run(args: Arguments, io: Io): Promise<number> {
  const loaded = loadFile(setUpFileOf(args, io), io)
  const group = args.positionals[0] ?? ''
  const known = Object.keys(loaded.setUp.groups ?? {})
  if (!known.includes(group)) {
    const meant = didYouMean(group, known)
    const hint =
      meant === undefined ? `; known: ${known.join(', ') || 'none'}` : `; did you mean "${meant}"?`
    throw new CommandError(`there is no group "${printable(group)}"${hint}`, Exit.usage)
  }
  const made = await initGroups(loaded, { groups: [group], force: args.has('force') })
  const root = `/howdah/${loaded.setUp.cluster}/groups/${group}`
  if (made.length === 0) {
    throw new CommandError(
      `${root} exists: group ${group} was initialized before (--force forgets who was active)`,
    )
  }
  io.out(`made ${root}\n`)
  return Exit.done
}
