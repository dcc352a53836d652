/** Lists of a server that holds much: bounded work, and a last line that says so. */
import { expect, test } from 'vitest'
import { commands } from '../../../ensemble/admin/commands.ts'
import { LISTED_MAX, watchesByPath, watchesBySession } from '../../../ensemble/admin/listings.ts'
import type { ServerView } from '../../../ensemble/admin/server-view.ts'

/** Watches without end: whoever lists them all would never come back. */
function* endless<Item>(item: Item): Generator<Item> {
  for (let count = 0; ; count++) {
    if (count > 2 * LISTED_MAX) throw new Error('too many were asked for')
    yield item
  }
}

const link = { session: { id: 0x1234n } }
// The lists ask a view for its watches alone.
const view = {
  mode: 'standalone',
  watches: {
    dataWatchesByPath: () => endless(['/some/path', [link, link]]),
    dataWatchesByWatcher: () => endless([link, ['/a', '/b']]),
  },
} as unknown as ServerView

test.each([
  ['wchp', watchesByPath],
  ['wchc', watchesBySession],
])('%s stops at its bound and says so (B-76)', (_word, list) => {
  const lines = list(view).split('\n')
  expect(lines.length).toBe(LISTED_MAX + 3)
  expect(lines.at(-3)).toBe('... more are not shown')
})

test.each(['watches', 'watches_by_path'])('%s stops at its bound and says so (B-76)', (name) => {
  const fields = commands.find((command) => command.name === name)!.run(view, {})
  expect(fields).toContainEqual(['error', expect.stringContaining('the rest is not shown')])
})
