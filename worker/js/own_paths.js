// Generated from crates/wire/src/routes.rs by `UPDATE_GENERATED=1 cargo test -p api-docs`. Do not edit.

/** Paths that no cache route may shadow. */
export const OWN_PATHS = new Set([
  "/api/budgets",
  "/api/budgets/limits",
  "/api/lab",
  "/api/live",
  "/api/openapi.json",
  "/badge.svg",
  "/metrics",
  "/v1/client.js",
  "/v1/fallback.js",
  "/v1/start-fallback.js",
  "/v1/start.js",
  "/v1/vitals",
]);

/** Namespaces that no cache route may shadow. */
export const RESERVED_PATHS = /^(?:\/api\/vitals|\/api\/health|\/api\/push|\/api\/alerts|\/api\/performance|\/api\/audit|\/api\/sites)(?:\/|$)/;

/** The namespace of the cache's management calls. */
export const CACHE_ADMIN_PREFIX = "/api/cache/";
