//! What belongs to one request: how long its queries took, told in `Server-Timing`, and what is loaded
//! for it in batches. A page of Next.js cannot set a field of its answer, so this listens where Node
//! tells of each request, before Next.js hears of it.

import { AsyncLocalStorage } from "node:async_hooks";
import { subscribe } from "node:diagnostics_channel";
import type { ServerResponse } from "node:http";

interface Asked {
  queries: { name: string; took: number }[];
  made: Map<() => unknown, unknown>;
}

/** From now on each answer of this server says what its queries took. */
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

/** Runs a query, and remembers how long it took. */
export async function timed<Result>(name: string, query: () => Promise<Result>): Promise<Result> {
  const since = performance.now();
  try {
    return await query();
  } finally {
    requests.getStore()?.queries.push({ name, took: performance.now() - since });
  }
}

/** What is made once for each request that asks for it, and forgotten with it. */
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

/** A field has its limits, and a page with more queries than this has another problem. */
const MOST = 30;

/** Next.js bundles this file more than once, and all of them mean the same requests. */
const REQUESTS = Symbol.for("portal.requests");
const shared = globalThis as { [REQUESTS]?: AsyncLocalStorage<Asked> };
const requests = (shared[REQUESTS] ??= new AsyncLocalStorage<Asked>());
