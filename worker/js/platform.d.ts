// The parts of workerd's interface that the Worker uses and that TypeScript's DOM types lack.

interface WorkerEnv {
  TAG_CLOCK: { getByName(name: string): { fetch(url: string, init: RequestInit): Promise<Response> } };
  SHARDS_OF_SITES: ShardNamespace & { jurisdiction(name: string): ShardNamespace };
  CACHE_KV?: {
    get(key: string, type: "arrayBuffer"): Promise<ArrayBuffer | null>;
    put(key: string, value: Uint8Array, options: { expirationTtl: number }): Promise<void>;
  };
  INGEST_RATE?: RateLimiter;
  READ_RATE?: RateLimiter;
  SITE_RATE?: RateLimiter;
}

interface ShardNamespace {
  getByName(name: string): { append(rows: string[], isAwaited?: boolean, dayShare?: number): Promise<boolean | null> };
}

interface RateLimiter {
  limit(options: { key: string }): Promise<{ success: boolean }>;
}

interface ExecutionContext {
  waitUntil(promise: Promise<unknown>): void;
}

interface CacheStorage {
  readonly default: Cache;
}

interface RequestInit {
  encodeResponseBody?: "automatic" | "manual";
}

interface ResponseInit {
  encodeBody?: "automatic" | "manual";
}

interface Response {
  readonly webSocket?: WebSocket | null;
}

interface ReadableStream<R> {
  [Symbol.asyncIterator](): AsyncIterableIterator<R>;
}

declare class HTMLRewriter {
  on(selector: string, handlers: { element(element: { append(content: string, options: { html: boolean }): void }): void }): this;
  transform(response: Response): Response;
}

declare module "cloudflare:workers" {
  export class WorkerEntrypoint<Env = unknown, Props = unknown> {
    readonly ctx: ExecutionContext & { readonly props: Props };
    readonly env: Env;
  }
  export class DurableObject {
    constructor(ctx: unknown, env: WorkerEnv);
    readonly ctx: unknown;
    readonly env: WorkerEnv;
  }
}
