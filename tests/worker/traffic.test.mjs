// The edge's traffic in front of an origin, as reported in health, metrics, the pushed window and a
// trace.
import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import http from "node:http";
import { DatabaseSync } from "node:sqlite";
import { after, before, test } from "node:test";

import { databases, product, start } from "../faults/workerd.mjs";
import { SECRETS, startBackend } from "./backend.mjs";
import { withCron } from "./cron.mjs";
import { createChecker } from "./openapi.mjs";
import { changeDatabase } from "./time-shift.mjs";

const MINUTE = 60_000;
const READ = { authorization: "Bearer read" };
const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT = "00f067aa0ba902b7";

/** The requests to the origin and to the collector. @type {{ url: string, headers: http.IncomingHttpHeaders, text: string }[]} */
const received = [];
const arrivals = new EventEmitter();
const server = http.createServer(async (request, response) => {
  let text = "";
  for await (const chunk of request) text += chunk;
  received.push({ url: request.url ?? "", headers: request.headers, text });
  arrivals.emit(request.url ?? "");
  if (request.url?.startsWith("/slow/")) await new Promise((resolve) => setTimeout(resolve, 700));
  const loop = Array.from({ length: 60 }, () => 'db;dur=1;desc="getReview"').join(", ");
  if (request.url?.startsWith("/api/")) return void response.writeHead(200, { "cache-control": "no-store", "server-timing": loop }).end("[]");
  if (request.url === "/broken") return void response.writeHead(500).end();
  response.writeHead(200, { "content-type": "text/plain", "cache-control": "max-age=600", "server-timing": 'db;dur=40;desc="products"' }).end("hello");
});

/** @type {string} */
let edge;
/** @type {Awaited<ReturnType<typeof startBackend>>} */
let receiver;
/** @type {ReturnType<typeof product>} */
let worker;
/** @type {Awaited<ReturnType<typeof start>>} */
let workerd;

before(async () => {
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  edge = JSON.stringify({ routes: [{ host: "www.example", path: "/**", origin: `http://127.0.0.1:${port}`, site: "demo" }] });
  receiver = await startBackend();
  worker = withCron(
    product({
      READ_TOKEN: "read",
      EDGE: edge,
      BACKEND_HEALTH_URL: receiver.url,
      PUSH_KEYS: `2027-01:${SECRETS["2027-01"]}`,
      PUSH_EVERY: "minute",
      PUSH_SINCE: String(Date.now() - 10 * MINUTE),
      OTLP_URL: `http://127.0.0.1:${port}`,
      TRACE_SAMPLE: "0.000001",
    }),
  );
  workerd = await start("traffic", worker, { fresh: true });
});
after(async () => {
  await workerd?.kill();
  receiver?.close();
  server.closeAllConnections();
  server.close();
});

/** @param {string} path @param {Record<string, string>} [headers] */
const visit = (path, headers = {}) => workerd.send(path, undefined, { host: "www.example", ...headers });

test("requests, errors, the cache and queries are part of the site's health", async () => {
  for (let index = 0; index < 10; index += 1) assert.equal((await visit("/page")).status, 200);
  assert.equal((await visit("/broken")).status, 500);
  const { text } = await workerd.send("/api/health/advanced?site=demo", undefined, READ);
  const { requests, cache, because } = JSON.parse(text).details;
  assert.deepEqual([requests.n, requests.errors, requests.routes.length], [11, 1, 2]);
  assert.deepEqual([cache.hits, cache.misses], [9, 2]);
  assert.match(because.requests, /9\.09 % of responses are errors/);
  const figures = JSON.parse((await workerd.send("/api/performance/metrics?site=demo")).text);
  assert.deepEqual(figures.queries.map((/** @type {any} */ { name, n }) => [name, n]), [["products", 1]]);
});

test("the responses of several isolates are stored by several shards, and counted once each", async () => {
  const spread = product({ SHARDS: "4", EDGE: edge });
  const stores = () => databases(one.storage, "Shard").filter((file) => {
    const database = new DatabaseSync(file);
    try {
      return database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'carriers'").get() && database.prepare("SELECT 1 FROM carriers").get();
    } finally {
      database.close();
    }
  }).length;
  let isolates = 0;
  let one = await start("spread", spread, { fresh: true });
  // The id of an isolate is random: two of them may meet in one shard.
  while (isolates < 30) {
    isolates += 1;
    try {
      assert.equal((await one.send("/page", undefined, { host: "www.example" })).status, 200);
      const figures = JSON.parse((await one.send("/api/performance/metrics?site=demo")).text);
      assert.equal(figures.requests?.n, isolates, "those of earlier isolates and of this one");
    } finally {
      await one.kill();
    }
    if (stores() > 1) return;
    one = await start("spread", spread);
  }
  await one.kill();
  assert.fail("30 isolates met in one shard");
});

test("queries are reported for their route, and unattributable ones for other routes", async () => {
  const check = createChecker((await workerd.send("/api/openapi.json")).text);
  const queries = async (/** @type {string} */ more) => {
    const path = `/api/performance/queries?site=demo${more}`;
    const { status, text } = await workerd.send(path);
    check("GET", path, status, status === 200 ? "application/json" : "application/problem+json", text);
    return JSON.parse(text);
  };
  const [of, all, none] = [await queries("&route=/page"), await queries(""), await queries("&route=/other")];
  assert.deepEqual([of.found, of.routes, of.answers, of.asked], ["name", ["/page"], 10, 1]);
  assert.deepEqual(of.queries.map((/** @type {any} */ { name, n, seconds, routes }) => [name, n, seconds, routes]), [["products", 1, 0.04, ["/page"]]]);
  assert.ok(Math.abs(of.queries[0].share - (100 * 0.04) / of.origin_seconds) < 1e-9 || of.origin_seconds === 0, JSON.stringify(of));
  assert.deepEqual([all.found, all.answers, all.queries.length], ["all", 11, 1]);
  assert.deepEqual([none.found, none.queries, none.elsewhere], ["nowhere", [], ["/page"]]);
  await queries("&window=never");
});

test("traffic is pushed with its window, and scraped", async () => {
  await workerd.send("/metrics?site=demo");
  await workerd.kill();
  // Shift the traffic by five minutes.
  changeDatabase(workerd.storage, (database) => {
    database.exec(`UPDATE traffic SET start = start - ${5 * MINUTE}`);
    database.exec(`UPDATE facts SET value = json_object('since', json_extract(value, '$.since') - ${9 * MINUTE}, 'to', json_extract(value, '$.to') - ${9 * MINUTE}) WHERE name = 'totals'`);
  });
  workerd = await start("traffic", worker);
  assert.equal((await workerd.send("/cron")).status, 200);
  const windows = () => [...receiver.stored.values()].filter(({ document }) => document.requests);
  await receiver.until(() => windows().reduce((sum, { document }) => sum + document.requests.n, 0) === 11, 20_000);
  const sum = (/** @type {(document: any) => number} */ select) => windows().reduce((all, { document }) => all + select(document), 0);
  assert.deepEqual([sum(({ requests }) => requests.errors), sum(({ cache }) => cache.hits)], [1, 9]);
  const page = (await workerd.send("/metrics?site=demo")).text;
  const value = (/** @type {string} */ name) => page.split("\n").filter((line) => line.startsWith(`${name}{`)).reduce((sum, line) => sum + Number(line.split("} ")[1]), 0);
  assert.deepEqual([value("http_requests_total"), value("cache_hits_total"), value("cache_misses_total"), value("db_query_duration_seconds_count")], [11, 9, 2, 1]);
});

test("the trace continues: the origin's spans are children of the edge's, which is a child of the visitor's", async () => {
  assert.equal((await visit("/traced", { traceparent: `00-${TRACE}-${PARENT}-01` })).status, 200);
  const [request] = received.filter(({ url }) => url === "/traced");
  const [, trace, span, flags] = String(request.headers.traceparent).split("-");
  assert.deepEqual([trace, flags], [TRACE, "01"]);
  assert.notEqual(span, PARENT);
  const spans = () => received.filter(({ url }) => url === "/v1/traces").flatMap(({ text }) => JSON.parse(text).resourceSpans[0].scopeSpans[0].spans);
  if (spans().length === 0) await once(arrivals, "/v1/traces");
  const [found] = spans();
  assert.deepEqual([found.traceId, found.parentSpanId, found.spanId, found.name], [TRACE, PARENT, span, "GET /traced"]);
  // An unsampled request without a trace has none.
  assert.match(String(received.findLast(({ url }) => url === "/broken")?.headers.traceparent), /-00$/);
});

test("slow endpoints and queries in loops are found without any page view", async () => {
  const check = createChecker((await workerd.send("/api/openapi.json")).text);
  await Promise.all(Array.from({ length: 30 }, (_, index) => visit(`/slow/${index}`)));
  for (let index = 0; index < 5; index += 1) assert.equal((await visit(`/api/reviews?n=${index}`)).status, 200);
  for (const name of ["bottlenecks", "recommendations"]) {
    const { status, text } = await workerd.send(`/api/performance/${name}?site=demo`);
    check("GET", `/api/performance/${name}`, status, "application/json", text);
    const { endpoints } = JSON.parse(text);
    assert.deepEqual(endpoints.map((/** @type {any} */ { kind, route, query }) => [kind, route, query]), [["slow-endpoint", "/slow/:id", undefined], ["repeated-query", "/api/reviews", "getReview"]]);
    assert.match(endpoints[1].finding, /in 5 of 5 responses, up to 60 times in one/);
  }
});
