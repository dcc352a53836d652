/** What the pipeline counts as it works, in plain numbers, for whoever shows them. */
export class PipelineCounts {
  connectRequests = 0
  /** Connect requests that ask for a session of before. */
  resumes = 0
  authFailures = 0
  sessionsExpired = 0
  /** Bytes of watch events, their length prefix included. */
  eventBytes = 0
  /** Nodes noted as changed by a transaction in flight, and those whose transaction was applied. */
  changesQueued = 0
  changesApplied = 0
}
