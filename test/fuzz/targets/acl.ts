/**
 * lists and credentials, good and bad. What a list lets whom do is held to a rule written a
 * second time: entries by comparison, ranges of addresses by arithmetic on whole numbers.
 */
import type { Acl } from '../../../ensemble/protocol/acl.ts'
import { Perm } from '../../../ensemble/protocol/acl.ts'
import { Code } from '../../../ensemble/protocol/error-codes.ts'
import { Op } from '../../../ensemble/protocol/op-codes.ts'
import { GetAclResponse } from '../../../ensemble/protocol/replies.ts'
import * as requests from '../../../ensemble/protocol/requests.ts'
import { PipelineBench, type BenchClient, type Reply } from '../../support/pipeline-bench.ts'
import { hostileAclEntry } from '../hostile.ts'
import { must, randomOf, type Target } from '../target.ts'

const INPUTS = 150
const ADDRESS = '127.0.0.1'
/** What two of the clients say who they are. */
const ALICE = 'a:b'
const BOB = 'b:a'

export const acls: Target = {
  name: 'acls',
  about: 'ACL lists: refused, or stored so that exactly those may whom the list names',
  seeds: 10,
  run(seed) {
    const random = randomOf(seed)
    const bench = new PipelineBench()
    const clients = [bench.client(), bench.client(), bench.client()]
    authenticate(bench, clients[1]!, ALICE)
    authenticate(bench, clients[2]!, BOB)
    const ids = clients.map(({ link }) => link.authIds)
    for (let at = 0; at < INPUTS; at++) {
      const creator = random.below(clients.length)
      const given = list(random, ids)
      const path = `/n${at}`
      const body = requests.CreateRequest.encode({ path, data: null, acl: given, flags: 0 })
      const { err } = ask(bench, clients[creator]!, Op.create, body)
      const say = (what: string) => (): string => `${what}: ${JSON.stringify(given)}`
      const isRefusal = err === Code.invalidAcl || err === Code.marshallingError
      must(err === Code.ok || isRefusal, say(`err ${err}`))
      if (given === null || given.length === 0) must(err !== Code.ok, say('an empty list stored'))
      if (err !== Code.ok) {
        must(bench.tree.find(path) === 0, say('refused, and there'))
        continue
      }
      const stored = [...bench.tree.acl(bench.tree.find(path))]
      must(stored.length > 0, say('stored as empty'))
      for (const { id } of stored) {
        const isKnown = ['world', 'digest', 'ip'].includes(id.scheme ?? '')
        must(isKnown || stored.length === 1, say(`stored with ${id.scheme}`))
        must(id.id !== null, say('stored with a null id'))
      }
      for (const [who, client] of clients.entries())
        checkAccess(bench, client, ids[who]!, path, stored)
    }
    must(
      bench.tree.treeDigest === bench.tree.digestFromScratch(),
      'the digest is that of the nodes',
    )
    return INPUTS
  },
}

type Ids = readonly { scheme: string; id: string }[]

function list(random: ReturnType<typeof randomOf>, ids: readonly Ids[]): Acl[] | null {
  if (random.below(15) === 0) return null
  return Array.from({ length: random.below(4) }, () => {
    const perms = random.below(33)
    switch (random.below(5)) {
      case 0:
        return { perms, id: { scheme: 'world', id: 'anyone' } }
      case 1:
        return { perms, id: { scheme: 'auth', id: '' } }
      case 2:
        return { perms, id: { ...random.pick(ids.flat()) } }
      case 3:
        return { perms, id: { scheme: 'ip', id: range(random) } }
      default:
        return hostileAclEntry(random)
    }
  })
}

function range(random: ReturnType<typeof randomOf>): string {
  const parts = [127, 0, 0, 1].map((part) => (random.below(5) === 0 ? random.below(257) : part))
  return random.bool() ? parts.join('.') : `${parts.join('.')}/${random.below(34)}`
}

function checkAccess(
  bench: PipelineBench,
  client: BenchClient,
  ids: Ids,
  path: string,
  stored: readonly Acl[],
): void {
  const may = (perm: number): boolean =>
    stored.some(({ perms, id }) => (perms & perm) !== 0 && names(id, ids))
  const say = (what: string, err: number) => (): string =>
    `${what}: ${err} for ${JSON.stringify(ids)} on ${JSON.stringify(stored)}`
  const read = ask(
    bench,
    client,
    Op.getData,
    requests.GetDataRequest.encode({ path, watch: false }),
  )
  must((read.err === Code.ok) === may(Perm.read), say('getData', read.err))
  const set = requests.SetDataRequest.encode({ path, data: null, version: -1 })
  const written = ask(bench, client, Op.setData, set)
  must((written.err === Code.ok) === may(Perm.write), say('setData', written.err))
  const shown = ask(bench, client, Op.getAcl, requests.GetAclRequest.encode({ path }))
  const maySee = may(Perm.read) || may(Perm.admin)
  must((shown.err === Code.ok) === maySee, say('getACL', shown.err))
  if (shown.err !== Code.ok || may(Perm.admin)) return
  for (const { id } of GetAclResponse.decode(shown.body).acl ?? []) {
    must(id.scheme !== 'digest' || !/:.*=/.test(id.id ?? ''), say('a secret shown', 0))
  }
}

function names({ scheme, id }: Acl['id'], ids: Ids): boolean {
  if (scheme === 'world') return id === 'anyone'
  if (scheme === 'ip') return covers(id ?? '', ADDRESS)
  return ids.some((own) => own.scheme === scheme && own.id === id)
}

/** Whether an IPv4 range holds an address; the server has refused what is no range. */
function covers(text: string, address: string): boolean {
  const [network = '', bits = '32'] = text.split('/')
  if (network.includes(':')) return false
  const divisor = 2 ** (32 - Number(bits))
  return Math.floor(whole(network) / divisor) === Math.floor(whole(address) / divisor)
}

function whole(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
}

function authenticate(bench: PipelineBench, client: BenchClient, auth: string): void {
  const body = requests.AuthPacket.encode({ type: 0, scheme: 'digest', auth: Buffer.from(auth) })
  must(ask(bench, client, Op.auth, body).err === Code.ok, 'credentials are taken')
}

function ask(bench: PipelineBench, client: BenchClient, type: number, body: Buffer): Reply {
  client.send(type, body)
  bench.durable()
  const reply = client.replies().at(-1)
  must(reply !== undefined, () => `no answer to ${type}`)
  return reply
}
