/** What `cons` and `stat` show as the last operation of a connection (client-protocol 10.1). */
import { Op } from '../protocol/op-codes.ts'

export const OP_LABELS: ReadonlyMap<number, string> = new Map(
  Object.entries({
    create: 'CREA',
    create2: 'CREA',
    createContainer: 'CREA',
    createTtl: 'CREA',
    delete: 'DELE',
    exists: 'EXIS',
    getData: 'GETD',
    setData: 'SETD',
    getChildren: 'GETC',
    getChildren2: 'GETC',
    getAcl: 'GETA',
    setAcl: 'SETA',
    sync: 'SYNC',
    ping: 'PING',
    multi: 'MULT',
    multiRead: 'MLTR',
    reconfig: 'RECO',
    setWatches: 'SETW',
    setWatches2: 'STW2',
    addWatch: 'ADDW',
    checkWatches: 'CHKW',
    removeWatches: 'REMW',
    getEphemerals: 'GETE',
    getAllChildrenNumber: 'GETACN',
    whoAmI: 'HOMI',
    check: 'CHEC',
    closeSession: 'CLOS',
  }).map(([name, label]) => [Op[name as keyof typeof Op], label]),
)
