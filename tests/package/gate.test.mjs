// The deployment gate from the command line, against a Worker with canned responses.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";

import { directory, run } from "../run.mjs";

const BUDGETS = `[
  { "timings": [
    { "metric": "largest-contentful-paint", "budget": 2000 },
    { "metric": "cumulative-layout-shift", "budget": 0.1, "severity": "warn" }
  ] }
]`;

/** @typedef {{ status?: number, body?: unknown, text?: string }} Answer */
/** Responses in order; the last one repeats. @type {Answer[]} */
let answers = [];
/** @type {{ path: string, authorization?: string }[]} */
let asked = [];
/** @type {string} */
let url;
/** @type {string} */
let project;

const server = createServer((request, response) => {
  asked.push({ path: request.url ?? "", authorization: request.headers.authorization });
  const { status = 200, body, text } = (answers.length > 1 ? answers.shift() : answers[0]) ?? { status: 500 };
  response.writeHead(status, { "content-type": "application/json" }).end(text ?? JSON.stringify(body));
});
before(async () => {
  await new Promise((resolve) => void server.listen(0, "127.0.0.1", () => resolve(undefined)));
  url = `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}`;
  project = directory();
  mkdirSync(join(project, "lighthouse"));
  writeFileSync(join(project, "lighthouse/budgets.json"), BUDGETS);
});
beforeEach(() => void (asked = []));
after(() => {
  server.closeAllConnections();
  server.close();
});

/** @param {string | null} route @param {string} metric @param {number} k @param {Record<string, unknown>} [told] */
function cell(route, metric, k, told) {
  const isShift = metric === "CLS";
  return {
    pattern: "/", route, device: "phone", metric, unit: isShift ? "" : "ms", max: isShift ? 0.1 : 2000, percentile: 75,
    severity: isShift ? "warn" : "error", min_samples: 30, line: isShift ? 4 : 3, n: 400, k, verdict: "met", p_value: 0.5,
    value: isShift ? 0.0512 : 1874.2, interval: isShift ? [0.04, 0.06] : [1801, 1950], ...told,
  };
}

/** @param {ReturnType<typeof cell>[]} cells @param {Record<string, unknown>} [told] */
const standing = (cells, told) => ({
  v: 1, site: "portal", from: 1763596800000, to: 1763683200000, release: "2.0", views: 412,
  budgets: { since: 1763000000000, source: "asset" }, cells, regressions: [], scores: [], ...told,
});

const GOOD = standing([cell(null, "LCP", 380), cell(null, "CLS", 390), cell("/imprint", "LCP", 3, { n: 3 })]);
const BAD = standing([cell(null, "LCP", 200), cell(null, "CLS", 100), cell("/cart", "LCP", 100)]);
const FEW = standing([cell(null, "LCP", 9, { n: 9 }), cell(null, "CLS", 9, { n: 9 })]);

/** @param {...string} words */
const gate = (...words) => run(project, ["edge-vitals", "gate", "--url", url, ...words]);

test("the exit code is the outcome", async () => {
  for (const [body, code] of /** @type {[unknown, number][]} */ ([[GOOD, 0], [BAD, 1], [FEW, 2]])) {
    answers = [{ body }];
    const { code: found, err } = await gate("--site", "portal", "--release", "2.0");
    assert.equal(found, code, err);
    assert.equal(err, "Judges a release by its budgets, and exits with 0, 1 or 2.\n");
  }
  assert.equal((await gate("--allow-insufficient")).code, 0);
  answers = [{ body: BAD }];
  assert.equal((await gate("--allow-insufficient")).code, 1);
});

test("an answer of a part of the shards proves no budget met, whatever is allowed", async () => {
  answers = [{ body: { ...GOOD, shards: { answered: 63, of: 64, unanswered: [17] } } }];
  const { code, out } = await gate();
  assert.equal(code, 2, out);
  assert.match(out, /63 of 64 shards answered: the views of the others are missing, so no budget is proven met\./);
  assert.doesNotMatch(out, /✓ met/);
  assert.equal((await gate("--allow-insufficient")).code, 2);
  // A waiting gate asks again until all of them answer.
  answers = [...answers, { body: GOOD }];
  assert.equal((await gate("--wait", "1m", "--every", "1s")).code, 0);
  answers = [{ body: { ...BAD, shards: { answered: 63, of: 64, unanswered: [17] } } }];
  assert.equal((await gate()).code, 1, "the views of the other shards cannot undo a violation");
});

test("the request contains release, comparison and window", async () => {
  answers = [{ body: GOOD }];
  await gate("--site", "portal", "--release", "2.0 β", "--against", "1.0", "--window", "7d");
  assert.deepEqual(asked, [{ path: "/api/budgets?site=portal&release=2.0+%CE%B2&against=1.0&window=7d", authorization: undefined }]);
  asked = [];
  await run(project, ["edge-vitals", "gate", "--url", `${url}/below/`], { READ_TOKEN: "open" });
  assert.deepEqual(asked, [{ path: "/below/api/budgets", authorization: "Bearer open" }]);
});

test("filters choose the judged views, and one that the Worker does not know is an error", async () => {
  answers = [{ body: { ...GOOD, filters: { browser_family: "Safari", os: "iOS" } } }];
  const { code, out } = await gate("--filter", "browser_family=Safari", "--filter", "os=iOS", "--allow-insufficient");
  assert.equal(code, 0);
  assert.match(out, /release 2\.0 of portal, browser_family Safari, os iOS, 412 views/);
  assert.deepEqual(asked.map(({ path }) => path), ["/api/budgets?browser_family=Safari&os=iOS"]);
  const unknown = await gate("--filter", "broswer=Safari");
  assert.deepEqual([unknown.code, /knows no filter "broswer"/.test(unknown.err)], [2, true]);
  const malformed = await gate("--filter", "Safari");
  assert.deepEqual([malformed.code, /not NAME=VALUE/.test(malformed.err)], [2, true]);
});

test("navigations within documents are reported as not judged", async () => {
  const soft = { navigation: "soft-navigation", views: 1812, metrics: [{ metric: "LCP", unit: "ms", n: 1790, p75: 912 }] };
  answers = [{ body: { ...GOOD, navigations: [soft, { navigation: "view", views: 30, metrics: [] }] } }];
  const { out } = await gate("--allow-insufficient");
  assert.match(out, /Not judged: 1,812 soft navigations \(p75: LCP 912 ms\)\.\n  Not judged: 30 declared views\./);
});

test("the text report shows violations and the lines of their budgets", async () => {
  answers = [{ body: BAD }];
  const { out } = await gate();
  assert.equal(
    out,
    `release 2.0 of portal, 412 views from 2025-11-20 00:00 UTC to 2025-11-21 00:00 UTC

  verdict     route       device  metric  budget    value (95 %)            within
  ✗ VIOLATED  all routes  phone   LCP     2,000 ms  1,874 ms (1,801–1,950)  200 of 400
  ! violated  all routes  phone   CLS     0.1       0.0512 (0.04–0.06)      100 of 400
  ✗ VIOLATED  /cart       phone   LCP     2,000 ms  1,874 ms (1,801–1,950)  100 of 400

✗ VIOLATED: at least one budget of severity error is not met

  \`edge-vitals budgets explain <path>\` lists the limits of a page in lighthouse/budgets.json.
`,
  );
  answers = [{ body: GOOD }];
  assert.match((await gate()).out, /1 more rows are for single routes[^\n]*: 0 met, 0 at the limit, 1 with insufficient data/);
});

test("counts against another limit are no evidence, and are reported", async () => {
  answers = [{ body: standing([cell(null, "LCP", 400, { max: 2500 }), cell(null, "CLS", 390)]) }];
  const { code, out } = await gate();
  assert.equal(code, 2);
  assert.match(out, /lighthouse\/budgets\.json:3 allows LCP 2,000 ms, but the edge still counts against 2,500 ms/);
});

test("a newer file that the edge rejected is reported with its error", async () => {
  const refused = { at: 1, source: "kv", why: 'line 7: unknown key "timing"' };
  answers = [{ body: { ...GOOD, budgets: { ...GOOD.budgets, refused } } }];
  assert.match((await gate()).out, /The edge rejected a newer budgets\.json: line 7: unknown key "timing"/);
});

test("more views over budget without proof get no tick", async () => {
  const strata = [{ device: "phone", before: { n: 20, k: 16 }, after: { n: 20, k: 12 } }];
  const undecided = { route: "/cart", metric: "LCP", strata, points_worse: 20, p_value: 0.2, regression: false };
  const better = { route: "/", metric: "LCP", strata: [{ device: "phone", before: { n: 20, k: 16 }, after: { n: 20, k: 18 } }], points_worse: -10, p_value: 0.8, regression: false };
  answers = [{ body: { ...GOOD, against: "1.0", regressions: [undecided, better] } }];
  const { out } = await gate("--release", "2.0", "--against", "1.0");
  assert.match(out, /^ {2}… LCP of \/cart: 20\.0 percentage points more views over budget/m);
  assert.match(out, /^ {2}✓ LCP of \/: 10\.0 percentage points fewer views over budget/m);
});

test("a release without views is named with those that have some", async () => {
  answers = [{ body: { ...standing([]), views: 0, release: "2,0" } }, { body: { lines: [{ release: "2.0" }, { release: "1.9" }, { release: null }] } }];
  const { code, err } = await gate("--release", "2,0");
  assert.equal(code, 2);
  assert.match(err, /! no views of release 2,0; those with views are 2\.0, 1\.9\n/);
  assert.match(asked[1].path, /^\/api\/vitals\/routes\?.*by=release/);
});

test("a regression against the previous release fails the gate", async () => {
  const strata = [{ device: "phone", before: { n: 5000, k: 4000 }, after: { n: 5000, k: 3800 } }];
  const worse = { route: "/cart", metric: "LCP", strata, points_worse: 4, p_value: 0.0001, regression: true };
  answers = [{ body: { ...GOOD, against: "1.0", regressions: [worse] } }];
  const { code, out } = await gate("--release", "2.0", "--against", "1.0");
  assert.equal(code, 1);
  assert.match(out, /✗ LCP of \/cart: 4\.0 percentage points more views over budget \(p = 0\.00000?\d/);
  answers = [{ body: { ...GOOD, against: "1.0" } }];
  const nothing = await gate("--release", "2.0", "--against", "1.0");
  assert.equal(nothing.code, 2);
  assert.match(nothing.out, /No comparison: no page has views of both releases/);
});

test("every format is written to its destination", async () => {
  answers = [{ body: BAD }];
  const { code, out } = await gate("--format", "json", "--format", "markdown:gate.md", "--format", "junit:gate.xml", "--format", "github:gate.txt");
  assert.equal(code, 1);
  const report = JSON.parse(out);
  assert.deepEqual([report.v, report.answer, report.code, report.rows.length], [1, "violated", 1, 3]);
  const text = (/** @type {string} */ name) => readFileSync(join(project, name), "utf8");
  assert.match(text("gate.md"), /^<!-- edge-vitals gate -->\n\n### ✗ VIOLATED/);
  assert.match(text("gate.md"), /\n\| ✗ VIOLATED \| `\/cart` \| phone \| LCP \| 2,000 ms \|/);
  assert.match(text("gate.xml"), /<testsuite name="edge-vitals gate" tests="3" failures="2" skipped="0">/);
  assert.deepEqual(text("gate.txt").split("\n").map((line) => line.split("::")[1]), [
    "error file=lighthouse/budgets.json,line=3,title=LCP is over budget",
    "warning file=lighthouse/budgets.json,line=4,title=CLS is over budget",
    "error file=lighthouse/budgets.json,line=3,title=LCP is over budget",
    undefined,
  ]);
});

test("outside names are escaped in every format", async () => {
  const route = "/<b>|`x`\n::error::%&\"']]>\u0007";
  answers = [{ body: standing([cell(null, "LCP", 380), cell(null, "CLS", 390), cell(route, "LCP", 100)]) }];
  await gate("--format", "markdown:gate.md", "--format", "junit:gate.xml", "--format", "github:gate.txt");
  const text = (/** @type {string} */ name) => readFileSync(join(project, name), "utf8");
  const row = text("gate.md").split("\n").filter((line) => line.includes("VIOLATED |"));
  assert.equal(row.length, 1);
  assert.equal(row[0].split("|").length, 9, row[0]);
  assert.equal(text("gate.txt").trim().split("\n").length, 1);
  assert.ok(text("gate.xml").includes("/&lt;b&gt;|`x`\n::error::%&amp;&quot;&apos;]]&gt;�"));
});

test("it waits for views, shows progress, and judges once there are enough", async () => {
  answers = [{ body: FEW }, { status: 503, body: { detail: "The shard did not answer." } }, { body: FEW }, { body: GOOD }];
  const { code, err } = await gate("--wait", "1m", "--every", "1ms");
  assert.equal(code, 0, err);
  assert.equal(asked.length, 4);
  const waits = err.split("\n").filter((line) => line.includes("waiting for views"));
  assert.match(waits[0], /^ {2}… waiting for views: 0 of 1 budgets have enough views; \d+ s left$/);
  assert.match(waits[1], /returned 503 for [^ ]+: The shard did not answer\./);
});

test("a good verdict does not end the waiting, but a certain violation does", async () => {
  // 40 of 40 would be met; but who looks until it is, finds it.
  const early = standing([cell(null, "LCP", 40, { n: 40 }), cell(null, "CLS", 390)]);
  answers = [{ body: early }, { body: early }, { body: GOOD }];
  assert.equal((await gate("--wait", "1m", "--every", "1ms")).code, 0);
  assert.equal(asked.length, 3);
  asked = [];
  answers = [{ body: standing([cell(null, "LCP", 10, { n: 100 }), cell(null, "CLS", 390)]) }];
  assert.equal((await gate("--wait", "1m", "--every", "1ms")).code, 1);
  assert.equal(asked.length, 1);
});

test("at the end of the waiting time it reports what is known", async () => {
  answers = [{ body: FEW }];
  const { code, out } = await gate("--wait", "20ms", "--every", "1ms");
  assert.equal(code, 2);
  assert.match(out, /\? INSUFFICIENT/);
  assert.ok(asked.length >= 2);
});

test("errors state a remedy, and exit with 2", async () => {
  /** @type {[Answer, string[], RegExp][]} */
  const table = [
    [{ status: 401, body: { detail: "This needs a token." } }, [], /returned 401 for [^ ]+: This needs a token\.\n {2}the site is not public: set READ_TOKEN/],
    [{ status: 404, body: { detail: "There is no site `x` here." } }, ["--site", "x"], /returned 404[^]*SITES \(wrangler\.toml\)/],
    [{ text: "<html>" }, [], /is not JSON\n {2}check that --url is the address/],
    [{ body: { limits: {} } }, [], /unsupported budget report[^]*deploy a Worker of this package's version/],
    [{ body: { ...GOOD, cells: [{}] } }, [], /invalid budget report: standing: missing field/],
    [{ body: GOOD }, ["--against", "1"], /--against requires --release/],
    [{ body: GOOD }, ["--wait", "soon"], /--wait soon is not a duration\n {2}use a value such as 90s/],
    [{ body: GOOD }, ["--format", "pdf"], /unknown --format pdf\n {2}use one of text, markdown, json, junit, github/],
    [{ body: GOOD }, ["--budgets", "none.json"], /none\.json does not exist/],
    [{ body: GOOD }, ["--lab", "."], /edge-vitals\.json does not exist\n {2}run `edge-vitals verify-lhci --dir \.` first/],
    [{ body: GOOD }, ["--relase", "1"], /unknown option --relase of gate\n {2}did you mean --release\?/],
  ];
  for (const [answer, words, says] of table) {
    answers = [answer];
    const { code, err, out } = await gate(...words);
    assert.equal(code, 2, `${words}: ${out}`);
    assert.match(err, says);
    assert.doesNotMatch(err, / at .*\.js:/, "no stack trace for an error that the user can fix");
  }
  const silent = await run(project, ["edge-vitals", "gate", "--url", "http://127.0.0.1:9"]);
  assert.equal(silent.code, 2);
  assert.match(silent.err, /does not respond: fetch failed/);
});
