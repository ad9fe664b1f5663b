// The handlers are those that Next.js defines, in both directions. This file only has to compile.
import type { NextConfig } from "next";
import type { CacheHandler } from "next/dist/server/lib/cache-handlers/types";
import { cacheHandler, cacheHandlers, type UseCacheHandler } from "edge-vitals/next/cache";

export default { cacheComponents: true, cacheHandler, cacheHandlers } satisfies NextConfig;

declare const ours: UseCacheHandler;
declare const theirs: CacheHandler;
ours satisfies CacheHandler;
theirs satisfies UseCacheHandler;
