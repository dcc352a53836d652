/**
 * What a differential run compares at the least: kinds of requests with their answers, as the run prints
 * them. A line is `kind: answers | rare answers`; the rare ones are asked of runs of full length only.
 * Taken from runs of 100,000 operations of several seeds; a generator that finds more adds to it.
 */

export interface LeastCoverage {
  /** As `kind: answer`. */
  readonly often: readonly string[]
  readonly seldom: readonly string[]
}

export const leastCoverage: LeastCoverage = parse(`
a frame of length -1:  | closed
a frame of length 4:  | closed
addWatch: ok · marshallingError
addWatch/mode -1: marshallingError
addWatch/mode 0: ok
addWatch/mode 1: ok
addWatch/mode 2: marshallingError
an auth packet cut short:  | closed
auth: ok · authFailed
checkWatches: noWatcher · marshallingError · ok
checkWatches/type -1: marshallingError
checkWatches/type 0: marshallingError
checkWatches/type 1: noWatcher
checkWatches/type 2: noWatcher
checkWatches/type 3: noWatcher · ok
checkWatches/type 4: noWatcher | ok
checkWatches/type 5: noWatcher | ok
checkWatches/type 6: marshallingError
closeSession: ok
connect, long password:  | refused
connect, new session: welcome
connect, null password:  | refused
connect, right password: welcome
connect, short password:  | refused
connect, unknown session:  | refused
connect, wrong password:  | refused
connect, zxid ahead: closed
create: nodeExists · ok · noAuth · badArguments · invalidAcl · noNode · marshallingError | noChildrenForEphemerals
create/flag 0: nodeExists · noAuth · invalidAcl · ok · noNode · badArguments | marshallingError
create/flag 1: nodeExists · noAuth · invalidAcl · ok · badArguments | noNode
create/flag 2: ok · noAuth · invalidAcl | noNode · badArguments
create/flag 3: ok · noAuth | invalidAcl · badArguments
create/flag 4: nodeExists
create/flag 5: badArguments
create/flag 6: badArguments
create/flag 7: badArguments
create2: nodeExists · ok · noAuth · badArguments · invalidAcl · noNode | marshallingError · noChildrenForEphemerals
create2/flag 0: nodeExists · noAuth · ok · invalidAcl | badArguments · noNode
create2/flag 1: nodeExists · noAuth | ok · invalidAcl · noNode · badArguments
create2/flag 2: ok · noAuth | invalidAcl
create2/flag 3: ok | noAuth · invalidAcl
create2/flag 4:  | nodeExists
create2/flag 5:  | badArguments
create2/flag 6:  | badArguments
create2/flag 7:  | badArguments
createContainer: nodeExists · ok · noAuth · badArguments · invalidAcl · noNode | marshallingError
createContainer/flag 0: nodeExists · noAuth · invalidAcl · ok | badArguments · noNode
createContainer/flag 1: nodeExists · noAuth | invalidAcl · ok · badArguments · noNode
createContainer/flag 2: ok · noAuth | invalidAcl
createContainer/flag 3: ok | noAuth · invalidAcl
createContainer/flag 4:  | nodeExists
createContainer/flag 5:  | badArguments
createContainer/flag 6:  | badArguments
createContainer/flag 7:  | badArguments
createTtl: badArguments · ok · nodeExists · noAuth | invalidAcl · marshallingError · noNode
createTtl/flag 0: badArguments
createTtl/flag 1:  | badArguments
createTtl/flag 2: badArguments
createTtl/flag 3:  | badArguments
createTtl/flag 4: badArguments
createTtl/flag 5: badArguments · nodeExists | noAuth
createTtl/flag 6: badArguments · ok | noAuth
createTtl/flag 7: badArguments
delete: notEmpty · noNode · ok · noAuth · badVersion · badArguments · marshallingError
deleteContainer: badArguments · noNode · marshallingError
event 1: told · by setWatches
event 2: told · by setWatches
event 3: told · by setWatches
event 4: told · by setWatches
exists: ok · noAuth · noNode · marshallingError | badArguments
first bytes: closed
getAcl: ok · noAuth · noNode | marshallingError
getAllChildrenNumber: ok · noAuth · noNode | marshallingError
getChildren: ok · noAuth · noNode | marshallingError
getChildren2: ok · noAuth · noNode | marshallingError
getData: ok · noAuth · noNode · marshallingError
getEphemerals: ok | marshallingError
multi: ok · marshallingError
multi/check: runtimeInconsistency · rolled back · ok · badVersion · noAuth · noNode | badArguments
multi/create: runtimeInconsistency · nodeExists · rolled back · noAuth · ok · invalidAcl | badArguments · noNode
multi/create2: runtimeInconsistency · nodeExists · rolled back · noAuth · ok | invalidAcl · badArguments · noNode
multi/createContainer: runtimeInconsistency · nodeExists · rolled back · noAuth · ok · invalidAcl | noNode · badArguments
multi/createTtl: runtimeInconsistency · badArguments · nodeExists · rolled back | noAuth · ok · invalidAcl
multi/delete: runtimeInconsistency · noNode · notEmpty · noAuth · rolled back · badVersion · badArguments · ok
multi/setData: runtimeInconsistency · rolled back · ok · noAuth · badVersion · noNode · badArguments
multiRead: ok · marshallingError
multiRead/getChildren: ok · noAuth · noNode
multiRead/getData: ok · noAuth · noNode
ping: ok
reconfig: reconfigDisabled | marshallingError
removeWatches: noWatcher · marshallingError · ok
removeWatches/type -1: marshallingError
removeWatches/type 0: marshallingError
removeWatches/type 1: noWatcher | ok
removeWatches/type 2: noWatcher | ok
removeWatches/type 3: noWatcher · ok
removeWatches/type 4: noWatcher · ok
removeWatches/type 5: noWatcher · ok
removeWatches/type 6: marshallingError
sasl: ok
setAcl: ok · noAuth · badVersion · noNode · badArguments · invalidAcl · marshallingError
setData: ok · noAuth · badVersion · badArguments · noNode · marshallingError
setWatches: ok · marshallingError
setWatches2: ok · marshallingError
sync: ok
unknown op -100:  | answered, closed
unknown op 10:  | answered, closed
unknown op 13:  | answered, closed
unknown op 23:  | answered, closed
whoAmI: ok
`)

/** With settings turned the other way. */
export const leastCoverageOfOthers: LeastCoverage = parse(`
addWatch: ok · marshallingError
addWatch/mode -1: marshallingError
addWatch/mode 0: ok
addWatch/mode 1: ok
addWatch/mode 2: marshallingError
an auth packet cut short:  | closed
auth: ok | authFailed
checkWatches: noWatcher · marshallingError · ok
checkWatches/type -1:  | marshallingError
checkWatches/type 0:  | marshallingError
checkWatches/type 1:  | noWatcher
checkWatches/type 2:  | noWatcher
checkWatches/type 3:  | noWatcher · ok
checkWatches/type 4:  | noWatcher
checkWatches/type 5:  | noWatcher
checkWatches/type 6:  | marshallingError
closeSession: ok
connect, new session: welcome
connect, right password: welcome
connect, unknown session:  | refused
connect, zxid ahead:  | closed
create: nodeExists · ok · badArguments · noNode | noAuth · invalidAcl · unimplemented · quotaExceeded · marshallingError
create/flag 0: nodeExists | noAuth · ok · noNode · invalidAcl
create/flag 1: nodeExists | ok
create/flag 2: ok
create/flag 3: ok
create2: nodeExists · ok | noAuth · badArguments · invalidAcl · noNode · marshallingError · unimplemented
create2/flag 0: nodeExists | ok
create2/flag 1: nodeExists
create2/flag 2:  | ok
create2/flag 3:  | ok
createContainer: nodeExists · ok | noAuth · badArguments · invalidAcl · noNode · unimplemented · marshallingError
createContainer/flag 0: nodeExists | ok
createContainer/flag 1: nodeExists
createContainer/flag 2:  | ok
createContainer/flag 3:  | ok
createTtl: badArguments · unimplemented
createTtl/flag 0: badArguments
createTtl/flag 2:  | badArguments
createTtl/flag 4:  | badArguments
createTtl/flag 5: unimplemented
createTtl/flag 6: unimplemented
createTtl/flag 7:  | badArguments
delete: noNode · notEmpty · ok · badVersion · badArguments | noAuth · marshallingError
deleteContainer: badArguments | noNode · marshallingError
event 1: told · by setWatches
event 2: told · by setWatches
event 3: told · by setWatches
event 4: told · by setWatches
exists: ok · noNode · noAuth | marshallingError · badArguments
first bytes:  | closed
getAcl: ok · noNode | noAuth
getAllChildrenNumber: ok · noNode | noAuth · marshallingError
getChildren: ok · noNode | noAuth · marshallingError
getChildren2: ok · noNode | noAuth · marshallingError
getData: ok · noNode · noAuth | marshallingError
getEphemerals: ok
multi: ok · marshallingError
multi/check: runtimeInconsistency | rolled back · ok · badVersion
multi/create: runtimeInconsistency · nodeExists | rolled back
multi/create2: runtimeInconsistency | nodeExists · rolled back
multi/createContainer: runtimeInconsistency · nodeExists | rolled back
multi/createTtl: runtimeInconsistency | unimplemented · badArguments · nodeExists
multi/delete: runtimeInconsistency · noNode | notEmpty · badArguments · badVersion · rolled back · ok
multi/setData: runtimeInconsistency · rolled back | ok · noNode · badVersion · noAuth
multiRead: ok · marshallingError
multiRead/getChildren: ok · noNode | noAuth
multiRead/getData: ok · noNode | noAuth
ping: ok
reconfig: unimplemented
removeWatches: noWatcher · marshallingError · ok
removeWatches/type -1:  | marshallingError
removeWatches/type 0: marshallingError
removeWatches/type 1: noWatcher
removeWatches/type 2: noWatcher
removeWatches/type 3: noWatcher | ok
removeWatches/type 4: noWatcher | ok
removeWatches/type 5: noWatcher | ok
removeWatches/type 6: marshallingError
sasl: ok
setAcl: ok · noNode | badVersion · noAuth · badArguments · invalidAcl · marshallingError
setData: ok · badVersion · noNode · noAuth · badArguments | marshallingError
setWatches: ok | marshallingError
setWatches2: ok | marshallingError
sync: ok
whoAmI: ok
`)

function parse(text: string): LeastCoverage {
  const [often, seldom]: [string[], string[]] = [[], []]
  for (const line of text.trim().split('\n')) {
    const at = line.indexOf(': ')
    const kind = line.slice(0, at)
    const [common = '', rare = ''] = line.slice(at + 2).split('|')
    const answers = (part: string): string[] =>
      part
        .split('·')
        .map((answer) => answer.trim())
        .filter((answer) => answer !== '')
    often.push(...answers(common).map((answer) => `${kind}: ${answer}`))
    seldom.push(...answers(rare).map((answer) => `${kind}: ${answer}`))
  }
  return { often, seldom }
}
