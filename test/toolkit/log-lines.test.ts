/** Log lines for people: our JSON, other text, and what must not reach a terminal (S-21). */
import { expect, test } from 'vitest'
import { formatLogLine, LineCutter } from '../../toolkit/log-lines.ts'

const format = (line: string): string =>
  formatLogLine(line, { colours: false, nowMs: 0 }).replace(/^\S+ /, '')

test.each([
  [
    '{"level":"info","time":"2026-11-21T03:00:00.000Z","pid":1,"msg":"serving","clientPort":2181}',
    'serving  clientPort=2181',
  ],
  ['{"level":40,"time":1,"msg":"slow","why":"the disk"}', 'warn slow: the disk'],
  [
    '{"level":"info","msg":"decision","action":"wait","sentence":"b holds the lock"}',
    'b holds the lock',
  ],
  [
    '{"level":"error","msg":"x","error":{"message":"no such file","stack":"…"}}',
    'error x  error="no such file"',
  ],
  [
    '{"level":"info","msg":"role","from":"standby","to":"active","token":"19"}',
    'standby -> active, token 19',
  ],
  ['plain text', 'plain text'],
  ['{"not":"ours"}', '{"not":"ours"}'],
  ['{broken', '{broken'],
  ['\u001b[2Jboo', '\\u001b[2Jboo'],
  ['{"level":"info","msg":"a\\u001b[2Jb","x":"\\n"}', 'a\\u001b[2Jb  x="\\n"'],
])('%s', (line, text) => {
  expect(format(line)).toBe(text)
})

test('lines are cut from chunks of any size, and an endless one is given up', () => {
  const lines: string[] = []
  const cutter = new LineCutter((line) => lines.push(line))
  for (const byte of Buffer.from('eins\r\nzwölf\n\ndrei')) cutter.push(Buffer.of(byte))
  expect(lines).toEqual(['eins', 'zwölf'])
  cutter.end()
  expect(lines.pop()).toBe('drei')
  cutter.push(Buffer.alloc(100_000, 'x'))
  expect(lines.pop()).toHaveLength(100_000)
})
