export async function initGroups(
  _l: unknown,
  _o: { groups: string[]; force: boolean },
): Promise<string[]> {
  return []
}
