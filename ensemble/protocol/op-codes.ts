/**
 * The op codes: types of requests, of transactions and of the parts of a multi.
 * What each one carries is in `op-table.ts`. Source: ZooDefs.OpCode, 3.9.5.
 */
export const Op = {
  notification: 0,
  create: 1,
  delete: 2,
  exists: 3,
  getData: 4,
  setData: 5,
  getAcl: 6,
  setAcl: 7,
  getChildren: 8,
  sync: 9,
  ping: 11,
  getChildren2: 12,
  check: 13,
  multi: 14,
  create2: 15,
  reconfig: 16,
  checkWatches: 17,
  removeWatches: 18,
  createContainer: 19,
  deleteContainer: 20,
  createTtl: 21,
  multiRead: 22,
  auth: 100,
  setWatches: 101,
  sasl: 102,
  getEphemerals: 103,
  getAllChildrenNumber: 104,
  setWatches2: 105,
  addWatch: 106,
  whoAmI: 107,
  createSession: -10,
  closeSession: -11,
  error: -1,
} as const

export type OpName = keyof typeof Op
export type OpCode = (typeof Op)[OpName]

// True because Object.entries loses the literal types of an object that nothing else extends.
const names = new Map<number, OpName>(
  (Object.entries(Op) as [OpName, OpCode][]).map(([name, code]) => [code, name]),
)

/** The name of an op code, undefined for numbers that are none. */
export function opName(code: number): OpName | undefined {
  return names.get(code)
}
