/** Reads and checks a set-up file: the edge around `read` and `check`. Touches nothing else. */
import { readFileSync, statSync } from 'node:fs'
import { dirname, isAbsolute, relative, resolve } from 'node:path'
import { check, locate } from './check.ts'
import { SetUpError, type Problem } from './problem.ts'
import { read, type Origin } from './read.ts'
import { schema, type SetUp } from './schema.ts'

export interface LoadedSetUp {
  readonly setUp: SetUp
  /** Absolute. */
  readonly file: string
  /** Relative paths of the file start here. */
  readonly directory: string
  readonly notes: readonly Problem[]
  readonly origins: ReadonlyMap<string, Origin>
  readonly secrets: ReadonlySet<string>
}

/** @throws SetUpError with every problem; the system's error when the file cannot be read */
export function loadSetUp(
  path: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
): LoadedSetUp {
  const file = resolve(path)
  const directory = dirname(file)
  const shown = isAbsolute(path) ? path : relative(process.cwd(), file)
  const openSecrets: Problem[] = []
  const readSecret = (name: string): string => {
    const place = resolve(directory, name)
    // S-16: a secret is for its owner, and at most for a group.
    if ((statSync(place).mode & 0o007) !== 0) {
      const what = `${name} can be read by everyone on this host`
      openSecrets.push({ file: shown, line: 1, column: 1, what, expected: `chmod o= ${name}` })
    }
    return readFileSync(place, 'utf8')
  }
  const outside = { env, readFile: readSecret }
  const reading = read(readFileSync(file), { file: shown, shape: schema, outside })
  const { value: setUp, origins, secrets } = reading
  if (setUp === null) throw new SetUpError(redacted(reading.problems, secrets))
  const findings = check(setUp)
  const place = (finding: (typeof findings.problems)[number]): Problem =>
    locate(finding, shown, origins)
  if (findings.problems.length > 0) {
    throw new SetUpError(redacted(findings.problems.map(place), secrets))
  }
  return {
    setUp,
    file,
    directory,
    notes: redacted([...openSecrets, ...findings.notes.map(place)], secrets),
    origins,
    secrets,
  }
}

const SECRET_CHARACTERS_MIN = 4

export function withoutSecrets(text: string, secrets: ReadonlySet<string>): string {
  let result = text
  for (const secret of secrets) {
    if (secret.length >= SECRET_CHARACTERS_MIN) result = result.replaceAll(secret, '***')
  }
  return result
}

/** Relations speak of values; a value that came from `${…}` is shown as `***` (S-16). */
export function redacted(problems: readonly Problem[], secrets: ReadonlySet<string>): Problem[] {
  const hide = (text: string | undefined): string | undefined =>
    text === undefined ? undefined : withoutSecrets(text, secrets)
  return problems.map((problem) => ({
    ...problem,
    what: hide(problem.what) ?? '',
    got: hide(problem.got),
    expected: hide(problem.expected),
    suggestion: hide(problem.suggestion),
  }))
}
