/** File paths as text: POSIX rules, without the working directory. */

export function join(...parts: readonly string[]): string {
  return parts
    .filter((part) => part !== '')
    .join('/')
    .replaceAll(/\/{2,}/g, '/')
}
