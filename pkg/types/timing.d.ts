/** Options of a tracked query. */
export interface TrackOptions {
  /** What is asked, as the Worker distinguishes it. Default: `db`. */
  kind?: "db" | "sql" | "redis" | (string & {});
}

/** Runs a query and tells its duration in the `Server-Timing` of the current request. Leave values out of the name. */
export function track<Result>(name: string, work: () => Result | Promise<Result>, options?: TrackOptions): Promise<Result>;

/**
 * Tells the queries of a pool or client of `pg` by the statement's `name`, or else by its verb and first table, such as
 * `select products`. Returns the same pool. Wrap a pool or its clients, not both.
 */
export function trackPg<Client extends { query: (...parameters: any[]) => any }>(client: Client): Client;

/** Returns a value that is made once for each request, when it is first asked for. */
export function perRequest<Value>(make: () => Value): () => Value;

/** Adds `Server-Timing` to the following responses of this process's HTTP servers. Call it once, at the start. */
export function watchRequests(): void;

/** A request that ended. */
export interface MonitoredRequest {
  name: string;
  method: string;
  status: number;
  durationMs: number;
  queries: number;
  /** What the handler threw. */
  error?: unknown;
}

/** Options of a monitored handler. */
export interface MonitoringOptions {
  /** The route's name, such as `/product/:id`. Default: the path. */
  name?: string;
  /** Is told of each request. */
  onRequest?: (request: MonitoredRequest) => void;
  /** The clock, in milliseconds. */
  now?: () => number;
}

/** Tells the duration of a route handler, and its queries, in `Server-Timing`. */
export function withMonitoring<Rest extends unknown[]>(
  handler: (request: Request, ...rest: Rest) => Response | Promise<Response>,
  options?: MonitoringOptions,
): (request: Request, ...rest: Rest) => Promise<Response>;
