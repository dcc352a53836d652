/** four-letter words, whole, in pieces, in other letters, with something behind. */
import { mutateBytes } from '../mutate.ts'
import { Room, SILENCE_MS, type Stranger } from '../room.ts'
import { must, randomOf, shown, type Target } from '../target.ts'

const INPUTS = 40
const WORDS = [
  'conf', 'cons', 'crst', 'dirs', 'dump', 'envi', 'gtmk', 'hash', 'isro', 'mntr', 
  'ruok', 'srst', 'srvr', 'stat', 'stmk', 'wchc', 'wchp', 'wchs',
] // prettier-ignore
const NOT_LISTED = 'is not executed because it is not in the whitelist.'

export const words: Target = {
  name: 'words',
  about: 'four-letter words: a short answer that ends the connection, or its end by the deadline',
  seeds: 6,
  async run(seed) {
    const random = randomOf(seed)
    const listed = random.pick([['*'], ['ruok', 'srvr'], []])
    const room = await Room.open(seed, { fourLetterWords: listed })
    const sent: { stranger: Stranger; bytes: Buffer }[] = []
    for (let at = 0; at < INPUTS; at++) {
      const word = Buffer.from(random.pick(WORDS))
      const behind = random.pick([
        Buffer.alloc(0),
        Buffer.from('\n'),
        Buffer.alloc(8),
        random.bytes(90),
      ])
      let bytes: Buffer = Buffer.concat([word, behind])
      const kind = random.below(5)
      if (kind === 0) bytes = Buffer.from(bytes.toString('latin1').toUpperCase(), 'latin1')
      if (kind === 1) bytes = mutateBytes(random, bytes)
      if (kind === 2) bytes = bytes.subarray(0, random.below(4))
      const stranger = room.stranger()
      const split = random.below(bytes.length + 1)
      stranger.send(bytes.subarray(0, split))
      if (random.bool()) await room.pass(random.below(20))
      stranger.send(bytes.subarray(split))
      if (random.bool()) stranger.end()
      sent.push({ stranger, bytes })
    }
    await room.pass(SILENCE_MS + 2000)
    for (const { stranger, bytes } of sent) {
      must(stranger.isOver, () => `the connection stays: ${shown(bytes)}`)
      const word = bytes.toString('latin1', 0, 4)
      const isKnown = WORDS.includes(word)
      const needsMore = word === 'stmk' && bytes.length < 12
      const isListed = listed.includes('*') || listed.includes(word) || word === 'srvr'
      const { text } = stranger
      // No digest has been noted yet: that list is empty.
      if (isKnown && isListed && !needsMore && word !== 'hash')
        must(text.length > 0, () => `no answer to ${word}`)
      if (isKnown && !isListed) must(text.includes(NOT_LISTED), () => `${word}: ${text}`)
      if (!isKnown) must(text === '' || text.includes(NOT_LISTED), () => `${shown(bytes)}: ${text}`)
      must(text.length < 100_000, () => `${text.length} characters for ${word}`)
    }
    await room.check()
    return INPUTS
  },
}
