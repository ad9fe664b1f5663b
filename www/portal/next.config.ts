//! Lifetimes and cache tags of the public pages. Next.js marks dynamically rendered pages as uncacheable;
//! `CDN-Cache-Control` (RFC 9213) overrides that for the edge alone, so browsers still revalidate.

import type { NextConfig } from "next";

/** Fresh for ten minutes, stale-while-revalidate for ten more, stale-if-error for a day. */
const KEPT = "max-age=600, stale-while-revalidate=600, stale-if-error=86400";

/** A page has the tags of everything that it shows; a product page also shows other products. */
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
