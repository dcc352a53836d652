/** Paths of nodes: their syntax and their parts. Source: PathUtils.java, 3.9.5, with its texts. */

const SLASH = 0x2f
const DOT = 0x2e

/**
 * What is wrong with a path, in Java's words; null if nothing is.
 *
 * Writes check it and clients do before sending; reads do not, an invalid path is simply no node.
 * @param isSequential a number will follow, so that "/" at the end is fine
 */
export function validatePath(path: string | null, isSequential = false): string | null {
  if (path === null) return 'Path cannot be null'
  const checked = isSequential ? `${path}1` : path
  if (checked.length === 0) return 'Path length must be > 0'
  if (checked.charCodeAt(0) !== SLASH) return 'Path must start with / character'
  if (checked.length === 1) return null
  if (checked.charCodeAt(checked.length - 1) === SLASH) return 'Path must not end with / character'
  const reason = componentProblem(checked)
  return reason === null ? null : `Invalid path string "${checked}" caused by ${reason}`
}

function componentProblem(path: string): string | null {
  let last = SLASH
  for (let i = 1; i < path.length; i++) {
    const unit = path.charCodeAt(i)
    if (unit === SLASH) {
      if (last === SLASH) return `empty node name specified @${i}`
    } else if (unit === DOT) {
      const startsHere = last === SLASH || (last === DOT && path.charCodeAt(i - 2) === SLASH)
      const endsHere = i + 1 === path.length || path.charCodeAt(i + 1) === SLASH
      if (startsHere && endsHere) return `relative paths not allowed @${i}`
    } else if (unit === 0) {
      return `null character not allowed @${i}`
    } else if (isForbidden(unit)) {
      return `invalid character @${i}`
    }
    last = unit
  }
  return null
}

/** Control characters, surrogates (so nothing outside the BMP), private use, and specials. */
function isForbidden(unit: number): boolean {
  if (unit > 0x1f && unit < 0x7f) return false
  return unit <= 0x9f || (unit >= 0xd800 && unit <= 0xf8ff) || unit >= 0xfff0
}

/** The path above a valid one: `/` for `/a`, `/a` for `/a/b`, and '' for `/` itself. */
export function parentOf(path: string): string {
  if (path === '/') return ''
  const slash = path.lastIndexOf('/')
  return slash <= 0 ? '/' : path.slice(0, slash)
}

/** The last component: `b` of `/a/b`, '' of `/`. */
export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

/** The path of the child `name` below `parent`. */
export function join(parent: string, name: string): string {
  return parent === '/' || parent === '' ? `/${name}` : `${parent}/${name}`
}
