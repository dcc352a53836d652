import type { Arguments, Io } from '../command.ts'
export async function run(_args: Arguments, _io: Io): Promise<number> {
  return 1
}
