//! What the origin says to the edge of its public pages: how long they may be kept, and under which tags.
//! Next.js forbids every cache to keep a page that is rendered at each request; `CDN-Cache-Control`
//! (RFC 9213) speaks to the edge alone and goes before that, so that browsers still ask each time.

import type { NextConfig } from "next";

/** Ten minutes fresh; ten more it may be shown while a new one is fetched; a day when the origin is down. */
const KEPT = "max-age=600, stale-while-revalidate=600, stale-if-error=86400";

/** Each page under the tags of all that it shows: a product's page shows its neighbours as well. */
const kept = (source: string, tags: string) => ({
  source,
  headers: [
    { key: "CDN-Cache-Control", value: KEPT },
    { key: "Cache-Tag", value: tags },
  ],
});

export default {
  reactStrictMode: true,
  poweredByHeader: false,
  turbopack: { root: import.meta.dirname },
  images: { formats: ["image/avif", "image/webp"], deviceSizes: [480, 828, 1200, 1600], minimumCacheTTL: 86_400 },
  headers: async () => [
    kept("/", "products"),
    kept("/products", "products"),
    kept("/product/:id", "product-:id, products"),
    kept("/api/products", "products"),
    kept("/api/products/:id", "product-:id"),
  ],
} satisfies NextConfig;
