/** The client that was not recorded: it changes nodes, one step at a time, and every step succeeds. */
import type { Acl } from '../../../ensemble/protocol/acl.ts'
import { Op } from '../../../ensemble/protocol/op-codes.ts'
import * as requests from '../../../ensemble/protocol/requests.ts'
import { connectFrame, requestFrame } from './frames.ts'
import { Link } from './link.ts'
import type { HiddenStep } from './recordings.ts'

const OPEN: Acl[] = [{ perms: 31, id: { scheme: 'world', id: 'anyone' } }]
const ANSWER_MS = 20_000

export class HiddenClient {
  /** Of the last step. */
  lastZxid = 0n
  readonly #port: number
  #link: Link | null = null
  #xid = 0

  constructor(port: number) {
    this.#port = port
  }

  async do(step: HiddenStep): Promise<void> {
    const [what, path = '', data = ''] = step
    if (what === 'connect') return this.#connect()
    const [type, body] = requestOf(what, path, Buffer.from(data))
    const answer = await this.#ask(requestFrame(++this.#xid, type, body))
    this.lastZxid = answer.readBigInt64BE(4)
    const err = answer.readInt32BE(12)
    if (err !== 0) throw new Error(`${what} ${path} of the unrecorded client: error ${err}`)
  }

  destroy(): void {
    this.#link?.destroy()
  }

  async #connect(): Promise<void> {
    this.#link = new Link(this.#port, false)
    await this.#ask(
      connectFrame({
        protocolVersion: 0,
        lastZxidSeen: 0n,
        timeOut: 30_000,
        sessionId: 0n,
        passwd: Buffer.alloc(16),
        readOnly: false,
      }),
    )
    // Servers that want an id of every client get one.
    const auth = { type: 0, scheme: 'digest', auth: Buffer.from('hidden:pw') }
    await this.#ask(requestFrame(-4, Op.auth, requests.AuthPacket.encode(auth)))
  }

  async #ask(frame: Buffer): Promise<Buffer> {
    const link = this.#link
    if (link === null) throw new Error('the unrecorded client has not connected')
    const answers: Buffer[] = []
    link.write(frame)
    await link.until(() => {
      answers.push(...link.take())
      return answers.length > 0 || link.isClosed
    }, ANSWER_MS)
    const [answer] = answers
    if (answer === undefined) throw new Error('the unrecorded client got no answer')
    return answer
  }
}

function requestOf(what: HiddenStep[0], path: string, data: Buffer): [number, Buffer] {
  switch (what) {
    case 'set':
      return [Op.setData, requests.SetDataRequest.encode({ path, data, version: -1 })]
    case 'delete':
      return [Op.delete, requests.DeleteRequest.encode({ path, version: -1 })]
    case 'close':
      return [Op.closeSession, Buffer.alloc(0)]
    default: {
      const flags = what === 'create-ephemeral' ? 1 : 0
      return [Op.create, requests.CreateRequest.encode({ path, data, acl: OPEN, flags })]
    }
  }
}
