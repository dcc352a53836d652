/**
 * A small real service with the guard: `node guarded-service.ts PORT STATE_FILE`.
 *
 * `POST /write` answers 200 with the token while it may write, else 503.
 */
import { createServer } from 'node:http'
import { silent } from '../../ensemble/sys/logger.ts'
import { nodeSys } from '../../ensemble/sys/node-sys.ts'
import { Guard } from '../../failover/guard.ts'

const [port = '0', stateFile = ''] = process.argv.slice(2)
const guard = new Guard({ stateFile, sys: nodeSys(silent) })
await guard.open()

async function answer(url: string, headers: Record<string, string | string[] | undefined>) {
  switch (url) {
    case '/health':
      return { status: 200, body: guard.status as object }
    case '/activate':
      return guard.onActivate(headers)
    case '/deactivate':
      return guard.onDeactivate(headers)
    case '/write':
      try {
        return { status: 200, body: { token: guard.permit().token.toString() } }
      } catch (error) {
        return { status: 503, body: { error: String(error) } }
      }
    default:
      return { status: 404, body: {} }
  }
}

createServer((request, response) => {
  request.resume()
  void answer(request.url ?? '', request.headers).then(({ status, body }) => {
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(JSON.stringify(body))
  })
}).listen(Number(port), '127.0.0.1')
