/**
 * The commands of access control. Source: cli/{GetAcl,SetAcl,AddAuth,WhoAmI}Command, AclParser, 3.9.5;
 * after an error of `setAcl -R` Java prints no newline.
 */
import { ZkError, type Acl } from '../../ensemble/client/index.ts'
import { keeperMessage } from './cli-error.ts'
import { integerOf, wordOf, type CliCommand } from './command.ts'
import { aclText, printStat, type Output } from './output.ts'
import { depthFirst } from './walk.ts'

const PERM_BITS: Readonly<Record<string, number>> = { r: 1, w: 2, c: 4, d: 8, a: 16 }

/** `scheme:id:perms,…`; an entry of another form is complained about and left out. */
export function parseAcl(text: string, output: Output): Acl[] {
  // Java's split knows no empty pieces at the end.
  const kept = text.replace(/,+$/, '')
  const entries = kept === '' && text !== '' ? [] : kept.split(',')
  return entries.flatMap((entry) => {
    const first = entry.indexOf(':')
    const last = entry.lastIndexOf(':')
    if (first === last) {
      output.complain(`${entry} does not have the form scheme:id:perm`)
      return []
    }
    const id = { scheme: entry.slice(0, first), id: entry.slice(first + 1, last) }
    return [{ perms: permsOf(entry.slice(last + 1), output), id }]
  })
}

function permsOf(text: string, output: Output): number {
  let perms = 0
  for (const letter of text) {
    const bit = Object.hasOwn(PERM_BITS, letter) ? PERM_BITS[letter] : undefined
    if (bit === undefined) output.complain(`Unknown perm type: ${letter}`)
    else perms |= bit
  }
  return perms
}

const getAcl: CliCommand = {
  name: 'getAcl',
  usage: '[-s] path',
  options: { s: { help: 'stats' } },
  words: { least: 2 },
  async run(line, context) {
    const path = wordOf(line, 1)
    const { acl, stat } = await context.ask(path, (client, options) => client.getAcl(path, options))
    for (const entry of acl) context.output.print(aclText(entry))
    if (line.has('s')) printStat(context.output, stat)
  },
}

const setAcl: CliCommand = {
  name: 'setAcl',
  usage: '[-s] [-v version] [-R] path acl',
  options: {
    s: { help: 'stats' },
    v: { takesValue: true, help: 'version' },
    R: { help: 'recursive' },
  },
  words: { least: 3 },
  async run(line, context) {
    const path = wordOf(line, 1)
    const acl = parseAcl(wordOf(line, 2), context.output)
    const version = integerOf(line, 'v', -1)
    const change = (target: string) =>
      context.ask(target, (client, options) => {
        if (acl.length === 0) throw new ZkError('invalidAcl')
        return client.setAcl(target, acl, version, options)
      })
    if (!line.has('R')) {
      const stat = await change(path)
      if (line.has('s')) printStat(context.output, stat)
      return
    }
    const visit = async (target: string) => {
      try {
        await change(target)
      } catch (error) {
        if (!(error instanceof ZkError)) throw error
        context.output.print(keeperMessage(error))
      }
    }
    await depthFirst(context, path, { visit })
  },
}

const addAuth: CliCommand = {
  name: 'addauth',
  usage: 'scheme auth',
  options: {},
  words: { least: 2 },
  async run(line, context) {
    const [, scheme = '', auth = ''] = line.words
    try {
      // With the first reply behind it the server has judged the credentials.
      await context.ask(null, (client) => client.addAuth(scheme, auth))
    } catch (error) {
      // As in zkCli: an event tells, and the connection is over.
      if (!(error instanceof ZkError)) throw error
    }
  },
}

const whoAmI: CliCommand = {
  name: 'whoami',
  usage: '',
  options: {},
  takesAnyWords: true,
  words: { least: 1 },
  async run(_line, { output, ask }) {
    const ids = await ask(null, (client, options) => client.whoAmI(options))
    output.print('Auth scheme: User')
    for (const { scheme, id } of ids) output.print(`${scheme}: ${id}`)
  },
}

export const aclCommands = [getAcl, setAcl, addAuth, whoAmI]
