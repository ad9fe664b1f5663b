// What goes out by itself: totals to a collector of OpenTelemetry, settled views to Sentry and to Google
// Analytics. A server stands for each of them, and keeps what it was sent; the formats' own parsers read the
// same bodies natively (crates/export/tests/exports.rs).
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import http from "node:http";
import { after, before, test } from "node:test";

import { product, start } from "../faults/workerd.mjs";
import { beacon, DESKTOP } from "../product.mjs";
import { withCron } from "./cron.mjs";
import { changed } from "./later.mjs";

const MINUTE = 60_000;

/** @type {{ path: string, headers: http.IncomingHttpHeaders, text: string }[]} */
const posted = [];
/** What the next posts to Sentry are answered with. @type {Record<string, string>[]} */
const limits = [];
const server = http.createServer(async (request, response) => {
  let text = "";
  for await (const chunk of request) text += chunk;
  posted.push({ path: request.url ?? "", headers: request.headers, text });
  response.writeHead(200, request.url?.startsWith("/api/") ? limits.shift() : {}).end("{}");
});

/** @type {ReturnType<typeof product>} */
let worker;
/** @type {Awaited<ReturnType<typeof start>>} */
let workerd;

before(async () => {
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  worker = withCron(
    product({
      READ_TOKEN: "read",
      OTLP_URL: `http://127.0.0.1:${port}/otlp`,
      OTLP_HEADERS: "x-key=secret",
      SENTRY_DSN: `http://0123abc@127.0.0.1:${port}/42`,
      SENTRY_SAMPLE: "1",
      ENVIRONMENT: "test",
      GA4_MEASUREMENT_ID: "G-TEST",
      GA4_SECRET: "analytics",
      GA4_URL: `http://127.0.0.1:${port}/mp/collect`,
    }),
  );
  workerd = await start("exports", worker, { fresh: true });
});
after(async () => {
  await workerd?.kill();
  server.closeAllConnections();
  server.close();
});

/** @param {(database: import("node:sqlite").DatabaseSync) => void} change */
async function reborn(change) {
  await workerd.kill();
  changed(workerd.storage, change);
  workerd = await start("exports", worker);
}

/** @param {Record<string, any>} told */
async function visit(told) {
  assert.equal((await workerd.send("/v1/vitals", JSON.stringify(beacon(told)), { "user-agent": DESKTOP })).status, 200);
}

const cron = async () => assert.equal((await workerd.send("/cron")).status, 200);
const to = (/** @type {string} */ path) => posted.filter((post) => post.path.startsWith(path));

/** Waits until so many were posted there. @param {string} path @param {number} count */
async function arrived(path, count) {
  for (let tries = 0; tries < 1000 && to(path).length < count; tries += 1) await workerd.send("/api/health");
  assert.equal(to(path).length, count);
}

test("totals go to a collector with each cron, and grow", async () => {
  await cron();
  await reborn((database) => database.exec(`UPDATE facts SET value = json_object('since', json_extract(value, '$.since') - ${40 * MINUTE}, 'to', json_extract(value, '$.to') - ${40 * MINUTE}) WHERE name = 'totals'`));
  for (let index = 0; index < 10; index += 1) await visit({ path: "/a", age: (index + 2) * MINUTE, m: { LCP: 1000 + index } });
  await cron();
  const sent = to("/otlp/v1/metrics").at(-1);
  assert.deepEqual([sent?.headers["x-key"], sent?.headers["content-type"]], ["secret", "application/json"]);
  const { resourceMetrics } = JSON.parse(sent?.text ?? "");
  const metrics = resourceMetrics[0].scopeMetrics[0].metrics;
  const lcp = metrics.find((/** @type {any} */ { name }) => name === "web_vitals.lcp");
  assert.deepEqual([lcp.histogram.dataPoints.length, lcp.histogram.dataPoints[0].count], [1, "10"]);
});

test("a decoder of OpenTelemetry's own reads what was sent", (t) => {
  const python = process.env.PARSERS_PYTHON ?? "python3";
  const script = "crates/export/tests/parsers/read.py";
  if (spawnSync(python, [script, "ready"]).status !== 0) return t.skip(`${python} lacks the packages of crates/export/tests/parsers/requirements.txt`);
  const { status, stdout, stderr } = spawnSync(python, [script, "otlp"], { input: to("/otlp/v1/metrics").at(-1)?.text, encoding: "utf8" });
  assert.equal(status, 0, stderr);
  assert.match(stdout, /web_vitals\.lcp/);
});

test("views go on once they are settled, and nothing that names a visitor goes with them", async () => {
  const before = Date.now();
  await visit({ id: "feedfacefeedface", path: "/product/17", m: { LCP: 2380, CLS: 1234 }, age: 1000, release: "1.4.0" });
  await visit({ path: "/b", m: {}, lost: "csp" });
  await cron();
  assert.deepEqual([to("/api/42/envelope/").length, to("/mp/collect").length], [0, 0], "they may still be corrected");
  await reborn((database) => database.exec(`DELETE FROM views WHERE view NOT LIKE 'feedface%' AND told NOT LIKE '%csp%'; UPDATE views SET heard_at = heard_at - ${3 * 60 * MINUTE}, start = start - ${3 * 60 * MINUTE}`));
  await cron();
  await arrived("/mp/collect", 1);
  await arrived("/api/42/envelope/", 1);
  const [envelope] = to("/api/42/envelope/");
  assert.match(String(envelope.headers["x-sentry-auth"]), /sentry_key=0123abc/);
  const [, item, payload] = envelope.text.split("\n").map((line) => (line ? JSON.parse(line) : {}));
  assert.equal(item.type, "transaction");
  assert.deepEqual([payload.transaction, payload.release, payload.environment, payload.measurements.lcp], ["/product/:id", "1.4.0", "test", { value: 2380, unit: "millisecond" }]);
  assert.ok(payload.start_timestamp * 1000 < before);
  const [event] = to("/mp/collect");
  assert.equal(event.path, "/mp/collect?measurement_id=G-TEST&api_secret=analytics");
  assert.deepEqual(JSON.parse(event.text).events.map((/** @type {any} */ { name }) => name), ["LCP", "CLS"]);
  for (const { text } of [envelope, event]) assert.doesNotMatch(text, /feedface|product\/17/);
});

test("what Sentry forbids is not sent", async () => {
  limits.push({ "x-sentry-rate-limits": "600:transaction:key" });
  const sentry = to("/api/42/envelope/").length;
  const analytics = to("/mp/collect").length;
  for (let index = 0; index < 5; index += 1) await visit({ path: "/c", m: { LCP: 1000 } });
  await cron();
  // Only the memory of a living isolate knows the limits: what is stored is moved under it.
  await reborn((database) => database.exec(`UPDATE views SET heard_at = heard_at - ${3 * 60 * MINUTE}, start = start - ${3 * 60 * MINUTE}`));
  await cron();
  await arrived("/mp/collect", analytics + 5);
  assert.equal(to("/api/42/envelope/").length, sentry + 1);
});
