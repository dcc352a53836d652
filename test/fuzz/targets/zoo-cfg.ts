/** zoo.cfg, its flags, its dynamic file and `myid`, with characters and lines changed. */
import {
  parseDynamicConfig,
  parseMyid,
  parseZooCfg,
  type Problem,
} from '../../../ensemble/config/index.ts'
import { mutateText } from '../mutate.ts'
import { must, randomOf, type Target } from '../target.ts'

const INPUTS = 60
const SECRET = 'canary4711'
const SECRET_LINE = `ssl.keyStore.password=${SECRET}`
/** Far above what the longest of these texts takes. */
const PARSE_MS_MAX = 1000

const CONFIG = `# The number of milliseconds of each tick
tickTime=2000
initLimit=10
syncLimit=5
dataDir=/var/lib/zookeeper
dataLogDir=/var/log/zookeeper
clientPort=2181
clientPortAddress=0.0.0.0
secureClientPort=2182
maxClientCnxns=60
minSessionTimeout=4000
maxSessionTimeout=40000
autopurge.snapRetainCount=3
autopurge.purgeInterval=1
4lw.commands.whitelist=stat, ruok, conf, isro
admin.serverPort=8080
metricsProvider.className=org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider
metricsProvider.httpPort=7000
${SECRET_LINE}
quorumListenOnAllIPs=true
group.1=1:2:3
weight.1=1
weight.2=1
weight.3=1
server.1=zk1:2888:3888;2181
server.2=zk2:2888:3888:participant;0.0.0.0:2181|zk2b:2888:3888
server.3=[2001:db8::3]:2888:3888:observer;[::1]:2181
`
const DYNAMIC = `server.1=zk1:2888:3888:participant;2181
server.2=zk2:2888:3888:participant;0.0.0.0:2181
server.3=[2001:db8::3]:2888:3888:observer;[::1]:2181
version=100000000
`
const FLAGS = '-Dzookeeper.extendedTypesEnabled=true -Djute.maxbuffer=4194304 -Xmx512m'

export const zooCfg: Target = {
  name: 'zoo-cfg',
  about: 'zoo.cfg: settings, or problems with file and line; no secret in them',
  seeds: 8,
  run(seed) {
    const random = randomOf(seed)
    for (let at = 0; at < INPUTS; at++) {
      const text = mutateText(random, CONFIG, DYNAMIC, 5)
      const flags = random.bool() ? '' : mutateText(random, FLAGS, CONFIG)
      const dynamicText = mutateText(random, DYNAMIC, CONFIG)
      const dynamic = random.bool() ? {} : { dynamic: { text: dynamicText, file: 'dynamic' } }
      const startedMs = performance.now()
      const parsed = parseZooCfg(text, 'zoo.cfg', { flags, ...dynamic })
      const tookMs = performance.now() - startedMs
      must(tookMs < PARSE_MS_MAX, () => `${tookMs} ms for ${JSON.stringify(text)}`)
      checkProblems([...parsed.problems, ...parsed.notes], {
        'zoo.cfg': text,
        dynamic: dynamicText,
      })
      // A line that is not touched holds the secret as a secret.
      const isWhole =
        text
          .split('\n')
          .filter((line) => line.includes(SECRET))
          .join() === SECRET_LINE
      const isSecret = isWhole && parsed.settings.clientTls['keyStore.password'] === SECRET
      const told = JSON.stringify([parsed.problems, parsed.notes])
      must(!isSecret || !told.includes(SECRET), () => `the secret is told: ${told}`)
      const { settings } = parsed
      if (parsed.problems.length === 0) {
        must(settings.dataDir !== '', 'a data directory')
        must(settings.tickTime > 0, 'a tick')
        must(settings.minSessionTimeout <= settings.maxSessionTimeout, 'limits in order')
      }
      checkProblems(parseDynamicConfig(dynamicText, 'dynamic').problems, { dynamic: dynamicText })
      checkMyid(mutateText(random, random.pick(['1\n', '255', '42\n\n', ' 7'])))
    }
    return 3 * INPUTS
  },
}

function checkProblems(
  problems: readonly Problem[],
  texts: Readonly<Record<string, string>>,
): void {
  for (const { file, line, column, what } of problems) {
    const text = texts[file] ?? ''
    const lines = text.split(/\r\n|\r|\n/).length
    must(file !== '' && what !== '', 'a problem has a file and says what it is')
    const isIn = Number.isInteger(line) && line >= 0 && line <= lines
    must(isIn, () => `${file}:${line} ${what}, of ${JSON.stringify(text)}`)
    must(Number.isInteger(column) && column >= 0, () => `column ${column}`)
  }
}

/** A whole number of a decimal, with blanks around it at most; Apache takes any long, we 0 to 255. */
function checkMyid(text: string): void {
  const { sid, problems } = parseMyid(text, 'myid')
  checkProblems(problems, { myid: text })
  must((sid === null) === problems.length > 0, () => `myid ${JSON.stringify(text)}: ${sid}`)
  if (sid !== null) must(Number.isInteger(sid) && sid >= 0 && sid <= 255, () => `myid ${sid}`)
}
