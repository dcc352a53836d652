/** The system's random generator. */
import { randomBytes } from 'node:crypto'
import type { Random } from './random.ts'

export const nodeRandom: Random = {
  uint32: () => Math.floor(Math.random() * 0x1_0000_0000),
  secureBytes: (length) => randomBytes(length),
}
