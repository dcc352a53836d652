/** HTTP requests by node:http(s), without keep-alive: a probe must see the service as it is now. */
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Http, HttpResponse } from './http.ts'

export const nodeHttp: Http = {
  request({ method, url, headers, body, timeoutMs, bodyBytesMax = 65_536 }) {
    return new Promise<HttpResponse>((resolve, reject) => {
      const send = url.startsWith('https:') ? httpsRequest : httpRequest
      const signal = AbortSignal.timeout(timeoutMs)
      const outgoing = send(
        url,
        { method, headers: { ...headers }, agent: false, signal },
        (incoming) => {
          const chunks: Buffer[] = []
          let sizeBytes = 0
          incoming.on('data', (chunk: Buffer) => {
            sizeBytes += chunk.length
            if (sizeBytes > bodyBytesMax) {
              incoming.destroy(new Error(`answer larger than ${bodyBytesMax} bytes`))
            } else chunks.push(chunk)
          })
          incoming.on('error', reject)
          incoming.on('end', () => {
            const received: Record<string, string> = {}
            for (const [name, value] of Object.entries(incoming.headers)) {
              if (value !== undefined) received[name] = String(value)
            }
            resolve({
              status: incoming.statusCode ?? 0,
              headers: received,
              body: Buffer.concat(chunks).toString('utf8'),
            })
          })
        },
      )
      outgoing.on('error', (error) =>
        reject(
          signal.aborted ? new Error(`no answer within ${timeoutMs} ms`, { cause: error }) : error,
        ),
      )
      outgoing.end(body)
    })
  },
}
