/**
 * What operations are about: paths from a small set, data, lists, flags and versions, good and bad. It
 * knows what the answers so far gave away, versions and names, and nothing else.
 */
import { Writer } from '../../../ensemble/jute/writer.ts'
import type { Acl } from '../../../ensemble/protocol/acl.ts'
import type { RandomValues } from '../../support/random-values.ts'

export const OPEN: Acl[] = [entry(31, 'world', 'anyone')]
const ALICE = 'alice:V55/p2T0OpjQ+low3NVAH4aLvm0='
const BOB = 'bob:ikIaKsbtGweaHnb/jKn7OHqbunM='

export const GOOD_PATHS = [
  '/',
  '/a',
  '/b',
  '/c',
  '/a/b',
  '/a/c',
  '/a/b/c',
  '/b/a',
  '/b/a/c',
  '/q',
  '/q/n-',
  '/é',
  '/é/漢字',
  '/zookeeper',
  '/zookeeper/config',
  '/zookeeper/quota',
  '/zookeeper/x',
]
const QUOTA_PATHS = [
  '/zookeeper/quota',
  '/zookeeper/quota/a',
  '/zookeeper/quota/a/zookeeper_limits',
  '/zookeeper/quota/a/zookeeper_stats',
  '/zookeeper/quota/b',
  '/zookeeper/quota/b/zookeeper_limits',
  '/zookeeper/quota/b/zookeeper_stats',
]
const HARD_LIMITS = [
  'count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=4',
  'count=-1,bytes=-1=;byteHardLimit=60;countHardLimit=-1',
  'count=1,bytes=1=;byteHardLimit=200;countHardLimit=8',
  'count=2,bytes=10',
  'count=-1,bytes=-1=;byteHardLimit=0;countHardLimit=0',
]
const ODD_LIMITS = [
  '',
  ',',
  ',count=1',
  'count=1,',
  'count=x',
  'countHardLimit=+2',
  'countHardLimit= 2',
  'countHardLimit=2=9',
  'countHardLimit==2',
  'countHardLimit=',
  '=5;countHardLimit=3',
  '=',
  'nonsense',
  'byteHardLimit=9223372036854775807',
  'byteHardLimit=9223372036854775808',
  'countHardLimit=2;;,byteHardLimit=30',
]
const BAD_PATHS = [
  '',
  'a',
  'a/b',
  '/a/',
  '/q/',
  '//',
  '//a',
  '/a//b',
  '/.',
  '/..',
  '/a/.',
  '/a/./b',
  '/a/../b',
  '/...',
  '/.a',
  '/ ',
  ' ',
  '/a\0b',
  '\0',
  '/\u0001',
  '/a/\u001f',
  '/\u007f',
  '/\u0085',
  '/\u00a0',
  '/\ue000',
  '/\uf8ff',
  '/\uf900',
  '/\ufff0',
  '/\uffff',
  '/😀',
  '/zookeeper/',
  '/zookeeper/quota/',
]
const ACLS: readonly (readonly Acl[] | null)[] = [
  [entry(1, 'world', 'anyone')],
  [entry(30, 'world', 'anyone')],
  [entry(31, 'auth', '')],
  [entry(31, 'auth', 'anything'), entry(1, 'world', 'anyone')],
  [entry(1, 'auth', ''), entry(2, 'auth', '')],
  [entry(31, 'digest', ALICE)],
  [entry(31, 'digest', BOB), entry(1, 'world', 'anyone')],
  [entry(17, 'digest', ALICE), entry(6, 'digest', BOB), entry(8, 'ip', '127.0.0.1')],
  [entry(16, 'digest', BOB), entry(1, 'digest', ALICE)],
  [entry(31, 'ip', '127.0.0.1')],
  [entry(31, 'ip', '127.0.0.0/8')],
  [entry(31, 'ip', '126.0.0.0/7')],
  [entry(31, 'ip', '10.0.0.0/8')],
  [entry(31, 'ip', '0.0.0.0/0')],
  [entry(31, 'ip', '::1'), entry(1, 'ip', '127.0.0.1/32')],
  [entry(31, 'world', 'anyone'), entry(31, 'world', 'anyone')],
  [entry(31, 'world', 'anyone'), entry(1, 'world', 'anyone')],
  [entry(0, 'world', 'anyone')],
  [entry(-1, 'world', 'anyone')],
  [entry(64, 'world', 'anyone')],
  [entry(31, 'digest', 'a:b')],
]
const BAD_ACLS: readonly (readonly Acl[] | null)[] = [
  null,
  [],
  [entry(31, null, 'anyone')],
  [entry(31, 'world', null)],
  [entry(31, null, null)],
  [entry(31, 'world', 'nobody')],
  [entry(31, 'world', 'anyone'), entry(31, 'world', 'ANYONE')],
  [entry(31, 'World', 'anyone')],
  [entry(31, 'auth', null)],
  [entry(31, 'digest', 'a')],
  [entry(31, 'digest', 'a:')],
  [entry(31, 'digest', ':a')],
  [entry(31, 'digest', ':')],
  [entry(31, 'digest', 'a:b:')],
  [entry(31, 'digest', 'a:b::')],
  [entry(31, 'digest', 'a:b:c')],
  [entry(31, 'digest', '')],
  [entry(31, 'digest', null)],
  [entry(31, 'digest', '😀:é')],
  [entry(31, 'digest', 'new\nline:x\ny')],
  [entry(31, 'ip', '127.0.0.1/33')],
  [entry(31, 'ip', '127.0.0.1/-1')],
  [entry(31, 'ip', '127.0.0.1/')],
  [entry(31, 'ip', '127.0.0.1/8/8')],
  [entry(31, 'ip', '127.0.0.1/08')],
  [entry(31, 'ip', '127.0.0.1/+8')],
  [entry(31, 'ip', '/8')],
  [entry(31, 'ip', '127.0.0')],
  [entry(31, 'ip', '127.0.0.256')],
  [entry(31, 'ip', '127.0.0.-1')],
  [entry(31, 'ip', '127.0.0.01')],
  [entry(31, 'ip', '0127.0.0.1')],
  [entry(31, 'ip', '127.0.0.1.')],
  [entry(31, 'ip', ' 127.0.0.1')],
  [entry(31, 'ip', '::1/129')],
  [entry(31, 'ip', '::1/64')],
  [entry(31, 'ip', '::')],
  [entry(31, 'ip', '::ffff:127.0.0.1')],
  [entry(31, 'ip', '1::2::3')],
  [entry(31, 'ip', '')],
  [entry(31, 'ip', null)],
  [entry(31, 'sasl', 'alice')],
  [entry(31, 'x509', 'CN=a')],
  [entry(31, 'super', '')],
  [entry(31, 'ensemble', 'x')],
  [entry(31, '', '')],
  [entry(31, 'world', 'anyone'), entry(31, 'nothing', 'x')],
  [entry(31, 'nothing', null)],
]

const TTLS = [1n, 60_000n, 0xffff_ffff_ffn, 0x100_0000_0000n, 0n, -1n, 0x7fff_ffff_ffff_ffffn]

interface Known {
  version: number
  aversion: number
}

/** Names that are remembered, so that their nodes are deleted too: the tree stays small. */
const NAMED_MAX = 300

export class Inputs {
  /** Nodes with names that servers gave. */
  readonly named: string[] = []
  /** Whether the next values are for a request that has others right behind it. */
  isPipelined = false
  readonly #random: RandomValues
  readonly #hasOddQuotas: boolean
  readonly #known = new Map<string, Known>()

  /**
   * Whether clients write the nodes of quota usage: what they write there stays until the next start from
   * a snapshot, which counts anew, and when that is each server decides for itself.
   */
  writesUsage = true
  /** @param hasOddQuotas some limits cannot be read, which fails writes where quotas are enforced */
  constructor(random: RandomValues, hasOddQuotas = false) {
    this.#random = random
    this.#hasOddQuotas = hasOddQuotas
  }

  /** What an answer gave away. */
  learn(path: string, stat: Known | null): void {
    if (stat !== null) this.#known.set(path, { version: stat.version, aversion: stat.aversion })
    if (/\d{10}$/.test(path) && !this.named.includes(path)) {
      this.named.push(path)
      if (this.named.length > NAMED_MAX) this.named.shift()
    }
  }

  /** The node is gone. */
  forget(path: string): void {
    const at = this.named.indexOf(path)
    if (at >= 0) this.named.splice(at, 1)
  }

  watching(): { path: string | null; watch: boolean } {
    return { path: this.path(), watch: this.#random.below(3) === 0 }
  }

  path(): string | null {
    const random = this.#random
    const roll = random.below(100)
    if (roll < 75) return random.pick(GOOD_PATHS)
    if (roll < 85 && this.named.length > 0) return random.pick(this.named)
    if (roll < 91) {
      const path = random.pick(QUOTA_PATHS)
      return this.writesUsage || !path.endsWith('_stats') ? path : '/zookeeper/quota'
    }
    if (roll < 98) return random.pick(BAD_PATHS)
    return roll === 98 ? null : `/${'long'.repeat(random.below(300))}`
  }

  pathToCreate(): string | null {
    const path = this.path()
    const roll = this.#random.below(10)
    if (path === null || roll >= 2) return path
    // Apache's quotas leave out names that are blank: "/ /b" counts as "/b" there.
    return `${path.trim() === '/' ? '' : path}/${'abc'[roll]}`
  }

  pathToDelete(): string | null {
    const hasMany = this.named.length > 30
    return hasMany && this.#random.bool() ? this.#random.pick(this.named) : this.path()
  }

  /** A path with bytes that are no UTF-8, too. */
  rawPath(): Buffer {
    const random = this.#random
    const writer = new Writer(64)
    const odd = [
      [0xff, 0x41],
      [0xc0, 0x80],
      [0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80],
      [0xf0, 0x9f, 0x98, 0x80],
      [0xe2, 0x82],
      [0x41, 0xe2, 0x82, 0x41],
      [0xf8, 0x88, 0x80, 0x80, 0x80],
      [0xf0, 0x80, 0x80, 0x80],
      [0xf4, 0x90, 0x80, 0x80],
      [0xe0, 0x80, 0x80],
    ]
    if (random.below(3) === 0) writer.buffer(Buffer.from(random.pick(odd)))
    else writer.string(this.path())
    return writer.take()
  }

  data(path: string | null): Buffer | null {
    const random = this.#random
    if (path !== null && path.startsWith('/zookeeper/quota')) {
      const isLimits = path.endsWith('_limits')
      if (this.#hasOddQuotas && isLimits && random.bool()) {
        const odd = random.below(5) === 0 ? ODD_LIMITS : HARD_LIMITS
        return Buffer.from(random.pick(odd))
      }
      const limits = ['count=3,bytes=100', 'count=-1,bytes=10', 'count=1,bytes=-1']
      return Buffer.from(
        random.pick([...limits, 'count=5,bytes=9=;byteHardLimit=90;countHardLimit=9']),
      )
    }
    const roll = random.below(20)
    if (roll < 2) return null
    if (roll < 4) return Buffer.alloc(0)
    if (roll < 5) return random.bytes(5000)
    return random.bytes(20)
  }

  acl(): readonly Acl[] | null {
    const roll = this.#random.below(100)
    if (roll < 78) return OPEN
    const acl = this.#random.pick(roll < 92 ? ACLS : BAD_ACLS)
    // Apache forgets to undo a multi that fails on one: only the next transaction cleans up.
    return this.isPipelined && acl?.some(({ id }) => id.id === null) ? [] : acl
  }

  flags(path: string | null): number {
    const random = this.#random
    if (random.below(12) === 0) return random.pick([4, 5, 6, 7, -1, 100])
    const flags = random.pick([0, 0, 0, 1, 1, 2, 3])
    // Limits that end with their session: before or after what they cover, as a hash table has it.
    return path?.startsWith('/zookeeper/quota') === true ? flags & 2 : flags
  }

  version(path: string | null, field: keyof Known): number {
    const random = this.#random
    const roll = random.below(10)
    const known = path === null ? undefined : this.#known.get(path)?.[field]
    if (roll < 4) return -1
    if (roll < 8 && known !== undefined) return known
    return random.pick([0, 0, 1, 2, -2, 0x7fffffff, -0x80000000])
  }

  ttl(path: string | null): { flags: number; ttl: bigint } {
    const flags = this.#random.pick([5, 6, 5, 6, this.flags(path), 0, 2, 4, 7, -1])
    const ttl = this.#random.pick(TTLS)
    const isTtl = flags === 5 || flags === 6
    return { flags, ttl: !isTtl && ttl < 0n ? 0n : ttl }
  }
}

function entry(perms: number, scheme: string | null, id: string | null): Acl {
  return { perms, id: { scheme, id } }
}
