/** Which file a command means: an argument, `-f`, `HOWDAH_FILE`, or `howdah.yaml` here. */
import { existsSync } from 'node:fs'
import { UsageError, CommandError, Exit, type Arguments, type Io } from '../command.ts'
import { loadSetUp, type LoadedSetUp } from './load.ts'
import { printable } from './problem.ts'

const DEFAULT_FILE = 'howdah.yaml'

/** @throws UsageError when no file is named and there is none here */
export function fileOf(args: Arguments, io: Io): string {
  const given = args.positionals[0]
  const option = args.text('file')
  if (given !== undefined && option !== undefined && given !== option) {
    throw new UsageError('the file is named twice, as argument and with -f')
  }
  return given ?? optionalFileOf(args, io) ?? noFile()
}

/** As `fileOf`, for commands whose arguments are not files. */
export function setUpFileOf(args: Arguments, io: Io): string {
  return optionalFileOf(args, io) ?? noFile()
}

export function optionalFileOf(args: Arguments, io: Io): string | undefined {
  const named = args.text('file') ?? io.env['HOWDAH_FILE']
  if (named !== undefined && named !== '') return named
  return existsSync(DEFAULT_FILE) ? DEFAULT_FILE : undefined
}

function noFile(): never {
  throw new UsageError(
    `which set-up? Name it with -f FILE or HOWDAH_FILE, or make ${DEFAULT_FILE} here`,
  )
}

/** @throws SetUpError, or a CommandError of status 2 when the file cannot be read */
export function loadFile(path: string, io: Io): LoadedSetUp {
  try {
    return loadSetUp(path, io.env)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === undefined || !(error instanceof Error) || error.name === 'SetUpError') throw error
    throw new CommandError(`cannot read ${printable(path)} (${code})`, Exit.usage, { cause: error })
  }
}
