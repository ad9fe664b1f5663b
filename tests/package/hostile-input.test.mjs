// The package's own parsers of what comes from outside, on generated input: they answer or refuse, and never throw
// anything else. Those of the Worker are in crates/fuzz-targets.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";

import fc from "fast-check";

import { pageEvidence, receive, verify } from "../../pkg/backend/backend.js";
import { routeOfParams, routeOfPattern } from "../../pkg/frontend/route.js";

const SECRET = "0123456789abcdef0123456789abcdef";
const NOW = 1_800_000_000_000;
const KEYS = { current: SECRET };

/** Text near to what a parser accepts, and text far from it. */
const fragments = fc.array(fc.oneof(fc.constantFrom("t=", "k=", "v1=", ",", "=", "1800000000", "current", "__proto__", "a".repeat(64), "shop", ".", "minute", "60000", "\0", "é", " "), fc.string({ maxLength: 8 })), { maxLength: 12 }).map((parts) => parts.join(""));
const headerText = fragments.map((text) => text.replace(/[^\t\x20-\xff]/g, ""));
const body = fc.oneof(fc.uint8Array({ maxLength: 64 }), fc.json().map((text) => new TextEncoder().encode(text)));

/** @param {string} key @param {Uint8Array} bytes @param {number} [seconds] */
const signed = (key, bytes, seconds = NOW / 1000) => {
  const mac = createHmac("sha256", SECRET).update(`edge-vitals.v1\n${seconds}\ncurrent\n${key}\n`).update(bytes).digest("hex");
  return { "edge-vitals-signature": `t=${seconds},k=current,v1=${mac}`, "idempotency-key": key };
};

test("no push is accepted unless it is signed, and every refusal has a status", async () => {
  await fc.assert(
    fc.asyncProperty(headerText, headerText, body, async (signature, key, bytes) => {
      const headers = new Headers({ "edge-vitals-signature": signature, "idempotency-key": key });
      await assert.rejects(verify(headers, bytes, { keys: KEYS, now: () => NOW }), (/** @type {any} */ error) => [400, 401].includes(error.status));
    }),
    { seed: 1, numRuns: 500 },
  );
});

test("a push with one bit changed is refused, and the same push unchanged is stored once", async () => {
  await fc.assert(
    fc.asyncProperty(fc.jsonValue(), fc.nat(), fc.nat({ max: 7 }), async (value, at, bit) => {
      const bytes = new TextEncoder().encode(JSON.stringify(value));
      const key = "shop.minute.1800000000000.1";
      const headers = new Headers(signed(key, bytes));
      const push = await verify(headers, bytes, { keys: KEYS, now: () => NOW });
      assert.deepEqual([push.key, push.site, JSON.stringify(push.document)], [key, "shop", JSON.stringify(JSON.parse(JSON.stringify(value)))]);
      const changed = Uint8Array.from(bytes);
      changed[at % bytes.length] ^= 1 << bit;
      await assert.rejects(verify(headers, changed, { keys: KEYS, now: () => NOW }), (/** @type {any} */ error) => error.status === 401);
    }),
    { seed: 2, numRuns: 300 },
  );
});

test("a receiver answers every request, and reads no more of a body than its limit", async () => {
  await fc.assert(
    fc.asyncProperty(headerText, headerText, fc.nat({ max: 3000 }), fc.integer({ min: 1, max: 1000 }), async (signature, key, length, limit) => {
      let read = 0;
      async function* chunks() {
        for (; read < length; ) yield new Uint8Array(Math.min(100, length - (read += 100) + 100));
      }
      const request = { headers: new Headers({ "edge-vitals-signature": signature, "idempotency-key": key }), body: chunks() };
      const handle = receive({ keys: KEYS, limit, store: () => assert.fail("nothing was signed") });
      const { status } = await handle(/** @type {any} */ (request));
      assert.equal(status === 413, length > limit, `${status} for ${length} of ${limit} bytes`);
      assert.ok([400, 401, 413].includes(status), String(status));
      assert.ok(read <= limit + 200, `${read} bytes read with a limit of ${limit}`);
    }),
    { seed: 3, numRuns: 300 },
  );
});

test("a page token has one form, whatever the site's name", async () => {
  await fc.assert(
    fc.asyncProperty(fc.string(), fc.nat(), async (site, seconds) => {
      assert.match(await pageEvidence({ secret: SECRET, site, now: () => seconds * 1000 }), /^evidence;desc=[0-9a-f]{48}$/);
    }),
    { seed: 4, numRuns: 200 },
  );
});

const segment = fc.oneof(fc.constantFrom("", "%", "%E0%A4%A", "%2F", "..", "blog", "[id]", "[...path]", "[[...path]]", "[", "]"), fc.string({ maxLength: 12, unit: "grapheme" }));
const path = fc.array(segment, { maxLength: 12 }).map((segments) => `/${segments.join("/")}`);

test("a route of a path has a name for each value that it found, and at most 256 bytes", () => {
  const values = fc.dictionary(fc.stringMatching(/^[a-z]{1,6}$/), fc.oneof(segment, fc.array(segment, { maxLength: 4 }), fc.constant(undefined)), { maxKeys: 5 });
  fc.assert(
    fc.property(path, values, (given, params) => {
      const route = routeOfParams(given, params);
      if (route === undefined) return;
      assert.ok(Buffer.byteLength(route) <= 256);
      assert.ok(route.split("/").length <= given.split("/").length + Object.keys(params).length);
      assert.equal(route[0], "/", route);
    }),
    { seed: 5, numRuns: 2000 },
  );
});

test("patterns and paths that are too long have no route", () => {
  for (const pattern of ["[".repeat(20_000), "[[...".repeat(5_000), "[a".repeat(10_000), "]".repeat(20_000)]) assert.equal(routeOfPattern(pattern), undefined);
  assert.equal(routeOfParams(`/${"a/".repeat(20_000)}`, { slug: Array(2_000).fill("a") }), undefined);
  fc.assert(fc.property(path, (pattern) => Buffer.byteLength(routeOfPattern(pattern) ?? "") <= 256), { seed: 6, numRuns: 1000 });
});
