/** One HTTP request, for probes and for commands to a service. */
export interface Http {
  /** Rejects when there is no complete answer in time (refused, reset, timed out, too large). */
  request(options: HttpRequest): Promise<HttpResponse>
}

export interface HttpRequest {
  method: 'GET' | 'POST' | 'HEAD'
  url: string
  headers?: Readonly<Record<string, string>>
  body?: string
  timeoutMs: number
  /** Larger answers are an error; 64 KiB when absent. */
  bodyBytesMax?: number
}

export interface HttpResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}
