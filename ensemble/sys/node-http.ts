/**
 * HTTP requests by node:http(s), without keep-alive: a probe must see the service as it is now.
 *
 * Both modules are loaded by the first request: a server asks nobody, and an `import` of node:http
 * alone costs 16 MiB and 40 ms, since it reads every export, fetch's among them.
 */
import type { Http, HttpResponse } from './http.ts'

export const nodeHttp: Http = {
  request({ method, url, headers, body, timeoutMs, bodyBytesMax = 65_536 }) {
    return new Promise<HttpResponse>((resolve, reject) => {
      const { request: send } = process.getBuiltinModule(
        url.startsWith('https:') ? 'node:https' : 'node:http',
      )
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
