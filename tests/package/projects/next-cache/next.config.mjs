// The same build with the package's cache handlers and, for comparison, with Next.js's own.
import { resolve } from "node:path";
import { cacheHandler, cacheHandlers } from "edge-vitals/next/cache";

const root = resolve(import.meta.dirname, "../..");

export default {
  cacheComponents: true,
  outputFileTracingRoot: root,
  turbopack: { root },
  ...(process.env.OWN_CACHE !== "no" && { cacheHandler, cacheHandlers }),
};
