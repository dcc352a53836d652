/** A controller as a process of its own: `node controller-process.ts SETTINGS_JSON`; SIGTERM stops. */
import { nodeSys } from '../../ensemble/sys/node-sys.ts'
import type { Logger } from '../../ensemble/sys/logger.ts'
import { Controller } from '../../failover/controller.ts'
import type { GroupSettings } from '../../failover/settings.ts'

const write = (level: string) => (fields: object, message: string) =>
  void process.stdout.write(`${level} ${message} ${JSON.stringify(fields, replacer)}\n`)
const replacer = (_: string, value: unknown) => {
  if (typeof value === 'bigint') return value.toString()
  return value instanceof Error ? value.message : value
}
const log: Logger = {
  fatal: write('fatal'),
  error: write('error'),
  warn: write('warn'),
  info: write('info'),
  debug() {},
  child: () => log,
}

const settings = JSON.parse(process.argv[2] ?? '') as GroupSettings // written by the test
const controller = new Controller(settings, nodeSys(log))
await controller.start()
process.on('SIGTERM', () => void controller.stop().then(() => process.exit(0)))
await controller.failed
process.exit(1)
