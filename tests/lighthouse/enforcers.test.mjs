// One budgets.json, three enforcers: the Worker at the edge, Lighthouse CI and the gate judge the same
// pages and agree on each: at the limit, a hair above it, and far off.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { beacon, DESKTOP, serve } from "../product.mjs";
import { directory, ROOT, run, writeConfig } from "../run.mjs";

/** Page, metric, its audit, the value, and the expected verdict: within the budget or not. */
const TABLE = /** @type {const} */ ([
  ["/fcp-at", "FCP", "first-contentful-paint", 1500, true],
  ["/fcp-hair", "FCP", "first-contentful-paint", 1500.1, false],
  ["/fcp-far", "FCP", "first-contentful-paint", 9000, false],
  ["/lcp-well", "LCP", "largest-contentful-paint", 700.5, true],
  ["/lcp-at", "LCP", "largest-contentful-paint", 2000, true],
  ["/lcp-hair", "LCP", "largest-contentful-paint", 2000.01, false],
  ["/cls-none", "CLS", "cumulative-layout-shift", 0, true],
  ["/cls-at", "CLS", "cumulative-layout-shift", 0.1, true],
  ["/cls-hair", "CLS", "cumulative-layout-shift", 0.10001, false],
  ["/ttfb-at", "TTFB", "server-response-time", 800, true],
  ["/ttfb-hair", "TTFB", "server-response-time", 800.5, false],
  ["/fid-at", "FID", "max-potential-fid", 100, true],
  ["/fid-far", "FID", "max-potential-fid", 250, false],
]);
const BUDGETS = readFileSync(join(ROOT, "lighthouse/budgets.json"), "utf8");
const VIEWS = 40;

/** A page within every budget. */
const FINE = {
  "first-contentful-paint": 500,
  "largest-contentful-paint": 600,
  "cumulative-layout-shift": 0,
  "server-response-time": 50,
  "max-potential-fid": 10,
  "total-blocking-time": 0,
};

/** @type {Awaited<ReturnType<typeof serve>>} */
let product;
before(async () => {
  product = await serve();
  await Promise.all(
    TABLE.flatMap(([path, metric, , value]) => {
      // Rounded up, as the client does.
      const m = { [metric]: Math.ceil(metric === "CLS" ? Number((value * 1e4).toFixed(6)) : value) };
      return Array.from({ length: VIEWS }, () => product.send(beacon({ path, route: path, release: "2.0", m }), { "user-agent": DESKTOP }));
    }),
  );
});
after(() => product.close());

test("the edge, Lighthouse CI and the gate agree on every page", async () => {
  const [edge, lab, gate] = [await judgeAtEdge(), await judgeInLab(), await judgeAtGate()];
  const actual = TABLE.map(([path, metric, audit]) => [path, edge.get(`${path} ${metric}`), lab.get(`${path} ${audit}`), gate.get(`${path} ${metric}`)]);
  const expected = TABLE.map(([path, , , , isMet]) => [path, isMet ? "met" : "violated", isMet ? "kept" : "broken", isMet ? "met" : "violated"]);
  assert.deepEqual(actual, expected);
});

async function judgeAtEdge() {
  const report = await (await fetch(`${product.origin}/api/budgets?site=demo&release=2.0`)).json();
  return new Map(report.cells.map((/** @type {any} */ cell) => [`${cell.route} ${cell.metric}`, cell.verdict]));
}

async function judgeAtGate() {
  const command = ["edge-vitals", "gate", "--url", product.origin, "--site", "demo", "--release", "2.0", "--format", "json"];
  const { code, out, err } = await run(ROOT, command);
  assert.equal(code, 1, err);
  return new Map(JSON.parse(out).rows.map((/** @type {any} */ row) => [`${row.route} ${row.metric}`, row.verdict]));
}

async function judgeInLab() {
  const lab = directory();
  mkdirSync(join(lab, ".lighthouseci"));
  const address = (/** @type {string} */ path) => `http://localhost:3000${path}`;
  writeConfig(lab, JSON.parse(BUDGETS), TABLE.map(([path]) => address(path)), `, device: "desktop"`);
  TABLE.forEach(([path, , audit, value], index) => {
    const numbers = Object.entries({ ...FINE, [audit]: value });
    const audits = Object.fromEntries(numbers.map(([id, numericValue]) => [id, { id, title: id, description: "", score: 1, numericValue }]));
    const items = ["script", "total"].map((resourceType) => ({ resourceType, transferSize: 100, requestCount: 1 }));
    const report = { finalUrl: address(path), categories: {}, audits: { ...audits, "resource-summary": { id: "resource-summary", title: "", description: "", score: null, details: { items } } } };
    writeFileSync(join(lab, ".lighthouseci", `lhr-${1000 + index}.json`), JSON.stringify(report));
  });
  const asserted = await run(lab, ["lhci", "assert", "--config=lighthouserc.cjs"]);
  assert.equal(asserted.code, 1, asserted.err);
  const { out, err } = await run(lab, ["edge-vitals", "verify-lhci", "--json"]);
  assert.equal(err.split("\n").length, 2, err);
  const outcomes = JSON.parse(out).outcomes.map((/** @type {any} */ outcome) => [`${new URL(outcome.url).pathname} ${outcome.audit}`, outcome.outcome]);
  return new Map(/** @type {[string, string][]} */ (outcomes));
}
