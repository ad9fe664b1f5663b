// Lighthouse CI itself on real pages: a page within its budgets passes, and a slow, shifting or heavy
// one fails exactly that audit. One run each, since steady medians are not the point here.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { directory, run, writeConfig } from "../run.mjs";
import { serve } from "./site.mjs";

/** Limits for a phone on a slow network, wide enough for different machines. */
const BUDGETS = [
  {
    timings: [
      { metric: "first-contentful-paint", budget: 2200 },
      { metric: "largest-contentful-paint", budget: 3500 },
      { metric: "cumulative-layout-shift", budget: 0.1 },
      { metric: "interaction-to-next-paint", field: 200, lab: 1500 },
      { metric: "time-to-first-byte", budget: 600 },
    ],
    resourceSizes: [{ resourceType: "script", budget: 100 }],
    resourceCounts: [{ resourceType: "total", budget: 10 }],
  },
];
const AUDITS = [
  "cumulative-layout-shift",
  "first-contentful-paint",
  "largest-contentful-paint",
  "resource-summary:script:size",
  "resource-summary:total:count",
  "server-response-time",
  "total-blocking-time",
];

/** @type {Awaited<ReturnType<typeof serve>>} */
let site;
/** @type {string} */
let lab;
/** @type {any} */
let found;
before(async () => {
  site = await serve();
  lab = directory();
  writeConfig(lab, BUDGETS, ["/good", "/slow", "/shifting", "/heavy"].map((path) => site.origin + path));
});
after(() => site.close());

/** @param {string} path */
const broken = (path) => found.outcomes.filter((/** @type {any} */ one) => one.url === site.origin + path && one.outcome !== "kept").map((/** @type {any} */ one) => `${one.audit} ${one.outcome}`);

test("Lighthouse CI accepts the configuration and asserts all of it", async () => {
  const collected = await run(lab, ["lhci", "collect", "--config=lighthouserc.cjs"]);
  assert.equal(collected.code, 0, collected.err);
  const asserted = await run(lab, ["lhci", "assert", "--config=lighthouserc.cjs"]);
  assert.equal(asserted.code, 1, "three of the pages exceed their budgets");
  const verified = await run(lab, ["edge-vitals", "verify-lhci", "--json"]);
  assert.equal(verified.code, 1, verified.err);
  found = JSON.parse(verified.out);
  assert.equal(found.answer, "violated");
  assert.deepEqual(found.unmade, []);
  const audits = found.outcomes.filter((/** @type {any} */ one) => one.url === `${site.origin}/good`).map((/** @type {any} */ one) => one.audit);
  assert.deepEqual(audits.sort(), AUDITS);
  assert.equal(found.outcomes.length, 4 * AUDITS.length);
});

test("a page within its budgets passes", () => assert.deepEqual(broken("/good"), []));
test("a slow page fails its LCP budget alone", () => assert.deepEqual(broken("/slow"), ["largest-contentful-paint broken"]));
test("a shifting page fails its CLS budget alone", () => assert.deepEqual(broken("/shifting"), ["cumulative-layout-shift broken"]));
test("a heavy page fails its script budget alone", () => assert.deepEqual(broken("/heavy"), ["resource-summary:script:size broken"]));

test("the gate reports the lab's results and closes", async () => {
  const gate = await run(lab, ["edge-vitals", "gate", "--lab", ".", "--budgets", "budgets.json", "--format", "json", "--format", "github:annotations"]);
  assert.equal(gate.code, 1, gate.err);
  const report = JSON.parse(gate.out);
  assert.deepEqual([report.answer, report.lab.length], ["violated", 4 * AUDITS.length]);
  const annotations = readFileSync(join(lab, "annotations"), "utf8").trim().split("\n");
  assert.equal(annotations.length, 3);
  for (const annotation of annotations) assert.match(annotation, /^::error file=budgets\.json,line=1,title=/);
});

test("a misspelt audit, an unmatched page and a mistyped level are reported, though Lighthouse CI passes", async () => {
  const extra = `, assertions: { "largest-contentful-pain": ["warn", { maxNumericValue: 1 }], "categories:performance": ["warn", { minScore: 0.01 }], "speed-index": ["eror", { maxNumericValue: 1e6 }] }`;
  writeConfig(lab, BUDGETS, [`${site.origin}/good`, `${site.origin}/moved`], extra);
  const asserted = await run(lab, ["lhci", "assert", "--config=lighthouserc.cjs"]);
  assert.equal(asserted.code, 0, asserted.err);
  const verified = await run(lab, ["edge-vitals", "verify-lhci", "--json"]);
  assert.equal(verified.code, 2, verified.err);
  const report = JSON.parse(verified.out);
  assert.deepEqual(
    report.unmade.map((/** @type {any} */ one) => [one.audit, one.why.split(";")[0]]),
    [["largest-contentful-pain", "the audit has no result"], ["speed-index", 'unknown level "eror"']],
  );
  const unmatched = report.outcomes.filter((/** @type {any} */ one) => one.outcome === "not-asserted");
  assert.deepEqual([...new Set(unmatched.map((/** @type {any} */ one) => one.url))], [`${site.origin}/moved`]);
  assert.equal(unmatched.length, AUDITS.length);
  const shown = await run(lab, ["edge-vitals", "verify-lhci"]);
  assert.match(shown.out, new RegExp(`but not ${site.origin}/moved: configure the URLs after redirects`));
});

test("without a run there is nothing to verify, and the message names the remedy", async () => {
  const empty = directory();
  writeConfig(empty, BUDGETS, [`${site.origin}/good`]);
  const verified = await run(empty, ["edge-vitals", "verify-lhci"]);
  assert.equal(verified.code, 2);
  assert.match(verified.err, /assertion-results\.json does not exist\n {2}run `lhci autorun`/);
});

test("Lighthouse 13 has a value for every assertion, too", async () => {
  const path = directory();
  writeConfig(path, BUDGETS, [`${site.origin}/good`]);
  mkdirSync(join(path, ".lighthouseci"));
  const report = join(path, ".lighthouseci/lhr-1.json");
  const flags = ["--output=json", `--output-path=${report}`, "--only-categories=performance", "--quiet", `--chrome-flags=--headless=new ${process.getuid?.() === 0 ? "--no-sandbox" : ""}`];
  const lighthouse = await run(path, ["node", new URL("../../node_modules/lighthouse-13/cli/index.js", import.meta.url).pathname, `${site.origin}/good`, ...flags]);
  assert.equal(lighthouse.code, 0, lighthouse.err);
  assert.match(JSON.parse(readFileSync(report, "utf8")).lighthouseVersion, /^13\./);
  const asserted = await run(path, ["lhci", "assert", "--config=lighthouserc.cjs"]);
  assert.equal(asserted.code, 0, asserted.err);
  const verified = await run(path, ["edge-vitals", "verify-lhci", "--json"]);
  assert.equal(verified.code, 0, verified.out);
  assert.equal(JSON.parse(verified.out).outcomes.length, AUDITS.length);
});
