/** Randomness from outside: seeded in the simulator, the system's generator in production. */
export interface Random {
  /** An integer in [0, 2^32), for jitter and choices; not for secrets. */
  uint32(): number
  /** Bytes that nobody can guess, for secrets and nonces. */
  secureBytes(length: number): Buffer
}

/** An integer in [0, bound). */
export function below(random: Random, bound: number): number {
  return Math.floor((random.uint32() / 0x1_0000_0000) * bound)
}
