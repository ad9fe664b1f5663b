//! Per-request state: query durations, reported in `Server-Timing`, and batch loaders. A Next.js page cannot set
//! response headers, so this subscribes to Node's request events.

import { AsyncLocalStorage } from "node:async_hooks";
import { subscribe } from "node:diagnostics_channel";
import type { ServerResponse } from "node:http";

interface Asked {
  queries: { name: string; took: number }[];
  made: Map<() => unknown, unknown>;
}

/** Adds `Server-Timing` to all following responses of this server. */
export function watchRequests(): void {
  subscribe("http.server.request.start", (message) => {
    const asked: Asked = { queries: [], made: new Map() };
    requests.enterWith(asked);
    const { response } = message as { response: ServerResponse };
    const head = response.writeHead;
    response.writeHead = function (this: ServerResponse, ...told: unknown[]) {
      const timing = serverTiming(asked);
      if (timing && !this.headersSent) this.appendHeader("server-timing", timing);
      return head.apply(this, told as Parameters<typeof head>);
    } as typeof head;
  });
}

/** Runs a query and records its duration. */
export async function timed<Result>(name: string, query: () => Promise<Result>): Promise<Result> {
  const since = performance.now();
  try {
    return await query();
  } finally {
    requests.getStore()?.queries.push({ name, took: performance.now() - since });
  }
}

/** A value that is created once per request, on first use. */
export function perRequest<Made>(make: () => Made): () => Made {
  return () => {
    const made = requests.getStore()?.made;
    if (!made) return make();
    if (!made.has(make)) made.set(make, make());
    return made.get(make) as Made;
  };
}

function serverTiming({ queries }: Asked): string {
  return queries
    .slice(0, MOST)
    .map(({ name, took }) => `db;dur=${took.toFixed(1)};desc="${name}"`)
    .join(", ");
}

/** Bounds the size of the header. */
const MOST = 30;

/** Next.js bundles this file more than once; the bundles share the store. */
const REQUESTS = Symbol.for("portal.requests");
const shared = globalThis as { [REQUESTS]?: AsyncLocalStorage<Asked> };
const requests = (shared[REQUESTS] ??= new AsyncLocalStorage<Asked>());
