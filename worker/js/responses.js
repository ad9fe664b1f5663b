// Responses of records, and of our own.

/**
 * Makes a response of a record. The record's fields are shared by all responses of an entry: what differs
 * is set and copied at once, before any other request can run.
 * @param {import("./records.js").ReadyResponse} record
 */
export function toResponse({ status, headers, body, varying }) {
  if (varying !== undefined) {
    const [age, cacheStatus, serverTiming] = varying.split("\n");
    headers.set("age", age);
    headers.set("cache-status", cacheStatus);
    headers.set("server-timing", serverTiming);
  }
  return new Response(body, { status, headers, encodeBody: "manual" });
}

/** @param {unknown} value */
export const jsonResponse = (value, status = 200) => new Response(JSON.stringify(value), { status, headers: JSON_HEADERS });

export const JSON_HEADERS = { "content-type": "application/json", "cache-control": "no-store", "x-content-type-options": "nosniff" };

/** Statuses of responses without a body. */
export const BODYLESS_STATUSES = new Set([101, 204, 205, 304]);
