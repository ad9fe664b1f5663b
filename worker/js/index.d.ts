// The wasm module: its exports are in worker/src, under #[wasm_bindgen], #[event] and #[durable_object].
import type { ForwardedHead, OriginRequest, ReadyResponse, TierWrite } from "./records.js";

export class CacheExchange {
  private constructor();
  free(): void;
  start(now: number): number;
  tierEntryFound(tier: number, envelope: Uint8Array, now: number): number;
  tiersExhausted(now: number): number;
  fillLanded(now: number): number;
  originNeeded(now: number): number;
  originResponded(status: number, head: string, now: number): number;
  originFailed(error: number, now: number): number;
  bodyComplete(body: Uint8Array, etag: string | undefined, now: number): number;
  bodyAborted(now: number): number;
  originRequest(now: number): OriginRequest;
  passRequest(now: number): OriginRequest;
  storedResponse(now: number): ReadyResponse;
  errorResponse(now: number): ReadyResponse;
  forwardedHead(now: number): ForwardedHead;
  injection(): string | undefined;
  tierWrite(): TierWrite | undefined;
  invalidate(now: number): number | undefined;
  explain(step: number, now: number): string;
  takePrefetches(): string[] | undefined;
  needsPurgeSync(now: number): boolean;
  needsEtag(bodyLength: number): boolean;
  isInMemory(): boolean;
  storageKey(): string;
  fillKey(now: number): string | undefined;
  readonly host: string;
  readonly leaseMs: number;
  readonly originTimeoutMs: number;
  readonly maxStoredBodyBytes: number;
  readonly maxRequestBodyBytes: number;
  readonly prefetchesPerMinute: number;
}

export class Shard {
  constructor(state: unknown, env: unknown);
  fetch(request: Request): Promise<Response>;
  alarm(): Promise<unknown>;
  commit(rows: string): boolean;
  admit(beacons: number, dayShare: number): boolean;
  commit_delay(rows: number, isAwaited: boolean): number;
}

export class TagClock {
  constructor(state: unknown, env: unknown);
  fetch(request: Request): Promise<Response>;
  alarm(): Promise<unknown>;
}

export function fetch(request: Request, env: WorkerEnv, context: ExecutionContext): Promise<Response>;
export function scheduled(event: unknown, env: WorkerEnv, context: ExecutionContext): Promise<void>;

export function begin_exchange(env: WorkerEnv, method: string, url: string, head: string, clientIp: string, now: number): CacheExchange | ReadyResponse | undefined;
export function codings_to_warm(ofAll: string | undefined): string[];
export function warming_exchange(env: WorkerEnv, url: string, codings: string | undefined, now: number): CacheExchange | undefined;
export function explained_exchange(env: WorkerEnv, url: string, head: string, now: number): CacheExchange | undefined;
export function known_purge_seq(): number;
export function apply_purges(changes: string, requestedAt: number, leaseMs: number): boolean;
export function relay_read(copy: string | undefined, claimedAt: number | undefined, now: number, leaseMs: number, draw: number): number;
export function relay_copy(): string | undefined;
export function are_purges_relayed(leaseMs: number): boolean;
export function purge_sync_due_at(): number;
export function take_write_marks(now: number): string | undefined;
export function restore_write_marks(marks: string): void;
export function count_refused_marks(receipt: string): void;
export function take_cache_metrics(): string | undefined;
export function restore_cache_metrics(metrics: string): void;
export function take_transitions(): string | undefined;
export function take_prefetch_quota(perMinute: number, now: number): boolean;
export function flush_traffic(env: WorkerEnv): Promise<boolean>;

/** Returns the key of a question that anybody may ask. */
export function public_question(env: WorkerEnv, method: string, url: string, accept: string, authorization: string, address: string): string | undefined;
export function public_answer(env: WorkerEnv, key: string, method: string, ifNoneMatch: string, origin: string | undefined, now: number): Response | undefined;
export function keep_public_answer(key: string, status: number, head: string, body: Uint8Array, now: number): void;
export function shared_answer(env: WorkerEnv, status: number, head: string, body: Uint8Array, method: string, ifNoneMatch: string, origin: string | undefined, now: number): Response | undefined;
export function refuse_read(env: WorkerEnv, reason: string, origin: string | undefined): Response | undefined;

/** Returns the name of the caller's token. */
export function authorize_call(env: WorkerEnv, method: string, path: string, authorization: string, address: string, acceptEncoding: string | undefined): string | ReadyResponse;
export function record_cache_call(env: WorkerEnv, by: string, call: string, detail: string, address: string, status: number): Promise<void>;
export function read_purge(body: string): string | ReadyResponse;
export function has_value_key(key: string): boolean;
export function needs_sync_for_values(env: WorkerEnv, now: number): boolean;
export function may_read_value(env: WorkerEnv, beginning: Uint8Array, length: number, tags: string[], now: number): boolean;
/** Returns the seconds for which the value is to be stored. */
export function value_retention(beginning: Uint8Array, length: number, now: number): number | ReadyResponse;
export function value_stored(stored: boolean): string | undefined;
export function purge_feed(changes: string): string | undefined;
export function warm_list(strategy: string, body: string, max: string | undefined, now: number): string | ReadyResponse;
export function scheduled_warming(env: WorkerEnv): string | undefined;
export function analytics(env: WorkerEnv, clock: string, now: number): Promise<string | ReadyResponse>;

/** The list has the verdicts, the allowed origin and the site, and then the name of each shard with its rows. */
export function ingest(
  env: WorkerEnv,
  body: Uint8Array,
  query: string | undefined,
  ownOrigin: string,
  origin: string | undefined,
  userAgent: string,
  mobileHint: string | undefined,
  brands: string | undefined,
  platform: string | undefined,
  country: string | undefined,
  authorization: string,
  address: string | undefined,
  network: string,
  wantsVerdicts: boolean,
  now: number,
): Response | [verdicts: string | undefined, allowedOrigin: string | undefined, site: string, dayShare: number | undefined, ...batches: [shard: string, rows: string[]][]] | undefined;
export function reject(env: WorkerEnv, reason: string, site: string | undefined, origin: string | undefined, limitedNetwork: string | undefined): Response | undefined;
export function client_network(address: string): string;
export function count_unlimited(site: string | undefined): void;
export function has_uncounted_rejections(now: number): boolean;
export function flush_rejections(env: WorkerEnv): Promise<void>;
export function budgets_are_stale(now: number): boolean;
export function has_budgets(): boolean;
export function refresh_budgets(env: WorkerEnv): Promise<void>;
export function registry_is_stale(env: WorkerEnv, now: number): boolean;
export function has_registry(): boolean;
export function refresh_registry(env: WorkerEnv): Promise<void>;

export function __worker_init_state(): { criticalError: boolean; instanceId: number };
export function __wbg_reset_state(): void;
