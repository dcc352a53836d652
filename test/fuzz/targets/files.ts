/**
 * data directories whose files are changed, cut, renamed, swapped and doubled. What comes up is a
 * state that was, or nothing does and the refusal names the file; no file is changed by a refusal.
 */
import { StoreError } from '../../../ensemble/store/store-error.ts'
import { newDisk, openSim } from '../../ensemble/store/open-sim.ts'
import { applyAndAppend, create, setData, txnOf } from '../../ensemble/store/txns.ts'
import { seededRandom, type SimFileSystem } from '../../simulation/sim-file-system.ts'
import { mutateBytes } from '../mutate.ts'
import { FuzzError, must, randomOf, type Target } from '../target.ts'

const INPUTS = 40
const DIRECTORY = '/data/version-2'
const EPOCHS = ['acceptedEpoch', 'currentEpoch', 'myid']
type Random = ReturnType<typeof randomOf>

interface Sample {
  readonly files: SimFileSystem
  readonly digests: ReadonlyMap<bigint, bigint>
}

export const files: Target = {
  name: 'files',
  about: 'logs, snapshots and small files: a state that was, or a refusal that names the file',
  seeds: 5,
  async run(seed) {
    const random = randomOf(seed)
    const sample = await makeSample(random)
    for (let at = 0; at < INPUTS; at++) {
      const copy = sample.files.fork(seededRandom(seed))
      const done: string[] = []
      for (let left = 1 + random.below(2); left > 0; left--) done.push(change(random, copy))
      await open(random, copy, sample.digests, done.join('; '))
    }
    return INPUTS
  },
}

/** A few logs and snapshots, with batches of several transactions; closed or killed. */
async function makeSample(random: Random): Promise<Sample> {
  const disk = newDisk(random.below(1000) + 1)
  const snapshotStream = random.pick(['plain', 'plain', 'gz', 'snappy'] as const)
  const { store, tree } = await openSim(disk, { snapshotStream })
  const digests = new Map([[0n, tree.treeDigest]])
  for (let zxid = 1n; zxid <= 12n; zxid++) {
    const bytes = random.bytes(random.pick([0, 30, 700]))
    const at = Number(zxid)
    const body = zxid % 3n === 1n ? create(`/n${at}`, bytes, at) : setData('/n1', bytes, at)
    applyAndAppend(tree, store, txnOf(zxid, body))
    digests.set(zxid, tree.treeDigest)
    if (random.below(3) === 0) continue
    store.flush()
    await store.whenDurable()
    if (random.below(4) === 0) await store.snapshot(tree.freeze(), new Map([[5n, 4000]]))
    else if (random.below(5) === 0) store.rollLog()
  }
  store.flush()
  await store.whenDurable()
  if (random.bool()) await store.close()
  disk.crash()
  return { files: disk, digests }
}

/** One change of the directory, and what it was. */
function change(random: Random, disk: SimFileSystem): string {
  const names = disk.names(DIRECTORY).filter((name) => disk.peek(`${DIRECTORY}/${name}`) !== null)
  const name = random.pick(names)
  const path = `${DIRECTORY}/${name}`
  const bytes = disk.peek(path)!
  const other = random.pick(names)
  const otherBytes = disk.peek(`${DIRECTORY}/${other}`)!
  switch (random.below(8)) {
    case 0: {
      disk.seed(path, otherBytes)
      disk.seed(`${DIRECTORY}/${other}`, bytes)
      return `${name} and ${other} swapped`
    }
    case 1: {
      const suffix = random.pick(['', '', '.gz', '.snappy', '.bak'])
      const zxid = random.pick(['0', '3', '7', 'ffff', '-1', 'zz', '', '7fffffffffffffff', '01'])
      const copy = `${random.pick(['log', 'snapshot'])}.${zxid}${suffix}`
      disk.seed(`${DIRECTORY}/${copy}`, random.pick([bytes, otherBytes, random.bytes(40)]))
      return `${copy} made of ${name} or ${other}`
    }
    case 2: {
      const at = random.below(bytes.length + 1) & ~511
      disk.seed(path, Buffer.from(bytes).fill(0, at, Math.min(at + 512, bytes.length)))
      return `${name} zeros from ${at}`
    }
    case 3: {
      const small = random.pick(EPOCHS)
      const where = small === 'myid' ? `/data/${small}` : `${DIRECTORY}/${small}`
      const text = random.pick(['', '-1', '1', '0\n', 'one', '9223372036854775808', '1 2', '\0\0'])
      disk.seed(where, Buffer.from(text))
      return `${small} is ${JSON.stringify(text)}`
    }
    default: {
      // Mostly within what is written, not in the zeros behind it.
      const end = bytes.findLastIndex((byte) => byte !== 0) + 1
      const head = mutateBytes(random, bytes.subarray(0, end), otherBytes)
      disk.seed(path, Buffer.concat([head, bytes.subarray(end)]))
      return `${name} changed`
    }
  }
}

async function open(
  random: Random,
  disk: SimFileSystem,
  digests: ReadonlyMap<bigint, bigint>,
  where: string,
): Promise<void> {
  const before = contents(disk)
  const acceptDamage = random.below(4) === 0
  try {
    const { lastZxid, tree, store } = await openSim(disk, { acceptDamage })
    must(tree.treeDigest === tree.digestFromScratch(), `${where}: the digest is that of the nodes`)
    // Who accepts the loss of what a snapshot held under another name gets what is left of it.
    const isWhole = !acceptDamage || !/swapped|made of/.test(where)
    const wasState = tree.treeDigest === digests.get(lastZxid)
    must(wasState || !isWhole, `${where}: a state that was, at ${lastZxid}`)
    await store.close()
  } catch (error) {
    if (error instanceof FuzzError) throw error
    if (!(error instanceof StoreError)) throw new FuzzError(where, { cause: error })
    must(error.file.includes('/data'), `${where}: ${error.message} names no file`)
    if (!acceptDamage) must(same(before, contents(disk)), `${where}: a refusal changes nothing`)
  }
}

function contents(disk: SimFileSystem): Map<string, Buffer | null> {
  return new Map(disk.names(DIRECTORY).map((name) => [name, disk.peek(`${DIRECTORY}/${name}`)]))
}

function same(left: Map<string, Buffer | null>, right: Map<string, Buffer | null>): boolean {
  if (left.size !== right.size) return false
  return [...left].every(([name, bytes]) => {
    const other = right.get(name)
    return bytes === null || other === null ? bytes === other : other?.equals(bytes) === true
  })
}
