// Scheduled exports: totals to an OpenTelemetry collector, settled views to Sentry and to Google
// Analytics. One server stands in for all three and records each request; the formats' own parsers read
// the same bodies natively (crates/export/tests/exports.rs).
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import http from "node:http";
import { after, before, test } from "node:test";

import { product, start } from "../faults/workerd.mjs";
import { beacon, DESKTOP } from "../product.mjs";
import { withCron } from "./cron.mjs";
import { shiftJournal } from "./journal.mjs";
import { changeDatabase } from "./time-shift.mjs";

const MINUTE = 60_000;

/** @type {{ path: string, headers: http.IncomingHttpHeaders, text: string }[]} */
const posted = [];
/** The headers of the next responses to Sentry's requests. @type {Record<string, string>[]} */
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
async function restart(change) {
  await workerd.kill();
  changeDatabase(workerd.storage, change);
  workerd = await start("exports", worker);
}

/** @param {Record<string, any>} fields */
async function visit(fields) {
  assert.equal((await workerd.send("/v1/vitals", JSON.stringify(beacon(fields)), { "user-agent": DESKTOP })).status, 200);
}

const cron = async () => assert.equal((await workerd.send("/cron")).status, 200);
const sentTo = (/** @type {string} */ path) => posted.filter((post) => post.path.startsWith(path));

/** Waits until the path has received that many requests. @param {string} path @param {number} count */
async function waitForPosts(path, count) {
  for (let tries = 0; tries < 1000 && sentTo(path).length < count; tries += 1) await workerd.send("/api/health");
  assert.equal(sentTo(path).length, count);
}

test("totals go to the collector with each cron and only grow", async () => {
  await cron();
  await restart((database) => database.exec(`UPDATE facts SET value = json_object('since', json_extract(value, '$.since') - ${40 * MINUTE}, 'to', json_extract(value, '$.to') - ${40 * MINUTE}) WHERE name = 'totals'`));
  for (let index = 0; index < 10; index += 1) await visit({ path: "/a", age: (index + 2) * MINUTE, m: { LCP: 1000 + index } });
  await cron();
  const sent = sentTo("/otlp/v1/metrics").at(-1);
  assert.deepEqual([sent?.headers["x-key"], sent?.headers["content-type"]], ["secret", "application/json"]);
  const { resourceMetrics } = JSON.parse(sent?.text ?? "");
  const metrics = resourceMetrics[0].scopeMetrics[0].metrics;
  const lcp = metrics.find((/** @type {any} */ { name }) => name === "web_vitals.lcp");
  assert.deepEqual([lcp.histogram.dataPoints.length, lcp.histogram.dataPoints[0].count], [1, "10"]);
});

test("OpenTelemetry's own decoder reads the export", (t) => {
  const python = process.env.PARSERS_PYTHON ?? "python3";
  const script = "crates/export/tests/parsers/read.py";
  if (spawnSync(python, [script, "ready"]).status !== 0) return t.skip(`${python} lacks the packages of crates/export/tests/parsers/requirements.txt`);
  const { status, stdout, stderr } = spawnSync(python, [script, "otlp"], { input: sentTo("/otlp/v1/metrics").at(-1)?.text, encoding: "utf8" });
  assert.equal(status, 0, stderr);
  assert.match(stdout, /web_vitals\.lcp/);
});

test("views are exported once settled, without anything that identifies a visitor", async () => {
  const before = Date.now();
  await visit({ id: "feedfacefeedface", path: "/product/17", m: { LCP: 2380, CLS: 1234 }, age: 1000, release: "1.4.0" });
  await visit({ path: "/b", m: {}, lost: "csp" });
  await cron();
  assert.deepEqual([sentTo("/api/42/envelope/").length, sentTo("/mp/collect").length], [0, 0], "unsettled views may still be corrected");
  await restart((database) => {
    database.exec("DELETE FROM folded WHERE CAST(keys AS TEXT) NOT LIKE '%feedface%'");
    shiftJournal(database, 3 * 60 * MINUTE);
  });
  await cron();
  await waitForPosts("/mp/collect", 1);
  await waitForPosts("/api/42/envelope/", 1);
  const [envelope] = sentTo("/api/42/envelope/");
  assert.match(String(envelope.headers["x-sentry-auth"]), /sentry_key=0123abc/);
  const [, item, payload] = envelope.text.split("\n").map((line) => (line ? JSON.parse(line) : {}));
  assert.equal(item.type, "transaction");
  assert.deepEqual([payload.transaction, payload.release, payload.environment, payload.measurements.lcp], ["/product/:id", "1.4.0", "test", { value: 2380, unit: "millisecond" }]);
  assert.ok(payload.start_timestamp * 1000 < before);
  const [event] = sentTo("/mp/collect");
  assert.equal(event.path, "/mp/collect?measurement_id=G-TEST&api_secret=analytics");
  assert.deepEqual(JSON.parse(event.text).events.map((/** @type {any} */ { name }) => name), ["LCP", "CLS"]);
  for (const { text } of [envelope, event]) assert.doesNotMatch(text, /feedface|product\/17/);
});

test("no event is sent while Sentry limits the rate", async () => {
  limits.push({ "x-sentry-rate-limits": "600:transaction:key" });
  const sentry = sentTo("/api/42/envelope/").length;
  const analytics = sentTo("/mp/collect").length;
  for (let index = 0; index < 5; index += 1) await visit({ path: "/c", m: { LCP: 1000 } });
  await cron();
  // The rate limits live only in the isolate's memory; therefore the stored views are shifted, too.
  await restart((database) => shiftJournal(database, 3 * 60 * MINUTE));
  await cron();
  await waitForPosts("/mp/collect", analytics + 5);
  assert.equal(sentTo("/api/42/envelope/").length, sentry + 1);
});
