/** DIGEST-MD5 of a recorded client, answered anew for the challenge of a live server (RFC 2831). */
import { createHash } from 'node:crypto'
import { Op } from '../../../ensemble/protocol/op-codes.ts'
import { GetSaslRequest } from '../../../ensemble/protocol/requests.ts'
import { SetSaslResponse } from '../../../ensemble/protocol/replies.ts'
import { requestFrame } from './frames.ts'

/** Users of the recordings' JAAS file; the one with a wrong password is told by the recorded answer. */
const PASSWORDS: Readonly<Record<string, string>> = { bob: 'bobsecret' }

/**
 * @param frame the recorded answer to `recordedReply`
 * @param liveReply the live server's reply with its challenge
 */
export function answeredChallenge(frame: Buffer, recordedReply: Buffer, liveReply: Buffer): Buffer {
  const xid = frame.readInt32BE(4)
  const { token } = GetSaslRequest.decode(frame.subarray(12))
  const theirs = fields(SetSaslResponse.decode(recordedReply.subarray(16)).token)
  const live = fields(SetSaslResponse.decode(liveReply.subarray(16)).token)
  const answer = fields(token)
  const user = answer.get('username') ?? ''
  const right = PASSWORDS[user] ?? ''
  const isRight = response(theirs.get('nonce') ?? '', right, answer) === answer.get('response')
  const password = isRight ? right : `not ${right}`
  const nonce = live.get('nonce') ?? ''
  const text = token!
    .toString('latin1')
    .replace(/(,|^)nonce="[^"]*"/, `$1nonce="${nonce}"`)
    .replace(/response=[0-9a-f]+/, `response=${response(nonce, password, answer)}`)
  return requestFrame(xid, Op.sasl, GetSaslRequest.encode({ token: Buffer.from(text, 'latin1') }))
}

function response(nonce: string, password: string, of: ReadonlyMap<string, string>): string {
  const get = (name: string) => of.get(name) ?? ''
  const secret = md5(Buffer.from(`${get('username')}:${get('realm')}:${password}`))
  const authzid = of.has('authzid') ? `:${get('authzid')}` : ''
  const a1 = Buffer.concat([secret, Buffer.from(`:${nonce}:${get('cnonce')}${authzid}`)])
  const a2 = Buffer.from(`AUTHENTICATE:${get('digest-uri')}`)
  const hex = (bytes: Buffer) => md5(bytes).toString('hex')
  const middle = `${nonce}:${get('nc')}:${get('cnonce')}:${get('qop')}`
  return hex(Buffer.from(`${hex(a1)}:${middle}:${hex(a2)}`))
}

function md5(bytes: Buffer): Buffer {
  return createHash('md5').update(bytes).digest()
}

/** `name=value,name="value"` */
function fields(token: Buffer | null): Map<string, string> {
  const text = token?.toString('latin1') ?? ''
  return new Map(
    [...text.matchAll(/([\w-]+)=(?:"([^"]*)"|([^,]*))/g)].map(([, name, quoted, plain]) => [
      name!,
      quoted ?? plain ?? '',
    ]),
  )
}
