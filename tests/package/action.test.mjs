// The GitHub action: its steps are read from the YAML and run in bash with their inputs, as by a runner. Lighthouse CI
// is real, but reads a report in place of a browser.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { delimiter, join } from "node:path";
import { after, before, test } from "node:test";

import yaml from "js-yaml";

import { directory, ROOT, run } from "../run.mjs";

/** @typedef {{ id: string, if?: string, shell: string, env: Record<string, string>, run: string }} Step */
/** @type {{ inputs: Record<string, { description: string, default: string }>, runs: { using: string, steps: Step[] } }} */
const action = yaml.load(readFileSync(join(ROOT, "lighthouse/action/action.yml"), "utf8"));

const STANDING = {
  v: 1, site: "portal", from: 0, to: 1, release: "2.0", views: 400, budgets: { since: 0, source: "asset" }, regressions: [], scores: [],
  cells: [{ pattern: "/", route: null, device: "phone", metric: "LCP", unit: "ms", max: 2000, percentile: 75, severity: "error", min_samples: 30, line: 1, n: 400, k: 390, verdict: "met", p_value: 1, value: 900, interval: [880, 920] }],
};
/** @type {string[]} */
const asked = [];
let refuses = false;
const server = createServer((request, response) => {
  asked.push(`${request.url} ${request.headers.authorization}`);
  if (refuses && request.method === "POST") response.statusCode = 503;
  response.end(JSON.stringify(STANDING));
});
before(() => new Promise((resolve) => void server.listen(0, "127.0.0.1", () => resolve(undefined))));
after(() => {
  server.closeAllConnections();
  server.close();
});

/** A checkout with the packages installed, and a fake `gh` that logs its arguments. @param {number} paint */
function checkout(paint) {
  const path = directory({
    "package.json": '{ "name": "portal" }',
    "summary.md": "",
    "outputs": "",
    "budgets.json": '[{ "timings": [{ "metric": "largest-contentful-paint", "budget": 2000 }] }]',
    "lighthouserc.cjs": `const { lighthouserc } = require("edge-vitals/lighthouse");
module.exports = lighthouserc({ budgets: \`\${__dirname}/budgets.json\`, urls: ["http://localhost:3000/"], runs: 1, device: process.env.LAB_DEVICE });`,
    "report.json": JSON.stringify({ lighthouseVersion: "12.6.1", categories: {}, audits: { "largest-contentful-paint": { id: "largest-contentful-paint", title: "", description: "", score: 1, numericValue: paint } } }),
  });
  symlinkSync(join(ROOT, "node_modules"), join(path, "node_modules"));
  mkdirSync(join(path, "bin"));
  writeFileSync(join(path, "bin/gh"), `#!/bin/sh\necho "$@" >> "${path}/gh.log"\ncase "$*" in *--paginate*) cat "${path}/comments" 2>/dev/null;; esac\nexit 0\n`, { mode: 0o755 });
  return path;
}

/**
 * Runs the steps up to one that fails, which only those that run always follow.
 * @param {string} path @param {Record<string, string>} given
 */
async function acted(path, given) {
  const inputs = { ...Object.fromEntries(Object.entries(action.inputs).map(([name, input]) => [name, input.default])), ...given };
  /** @type {Record<string, string>} */
  const known = { "github.token": "t0ken", "github.repository": "shop/portal", "github.event.pull_request.number": "7" };
  for (const [name, value] of Object.entries(inputs)) known[`inputs.${name}`] = value;
  const put = (/** @type {string} */ text) =>
    text.replace(/\$\{\{ ([\w.-]+) \}\}/g, (_, name) => {
      assert.ok(name in known, `${name} is not known to a composite action`);
      return known[name];
    });
  let [code, told] = [0, ""];
  for (const step of action.runs.steps) {
    if (step.id === "comment" ? inputs.comment !== "true" : code !== 0) continue;
    const env = Object.fromEntries(Object.entries(step.env).map(([name, value]) => [name, put(value)]));
    const ended = await run(path, ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step.run], {
      ...env,
      PATH: `${join(path, "bin")}${delimiter}${process.env.PATH}`,
      GITHUB_STEP_SUMMARY: join(path, "summary.md"),
      GITHUB_OUTPUT: join(path, "outputs"),
      LHCITEST_MOCK_LHR: readFileSync(join(path, "report.json"), "utf8"),
    });
    code ||= ended.code ?? -1;
    told += ended.out + ended.err;
  }
  const text = (/** @type {string} */ name) => (existsSync(join(path, name)) ? readFileSync(join(path, name), "utf8") : "");
  return { code, told, text };
}

const GIVEN = { config: "lighthouserc.cjs", budgets: "budgets.json" };

test("lab and field are run, judged and summarized", async () => {
  const path = checkout(900);
  const url = `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}`;
  const { code, told, text } = await acted(path, { ...GIVEN, url, site: "portal", release: "2.0", "read-token": "open", comment: "true" });
  assert.equal(code, 0, told);
  assert.deepEqual(asked, ["/api/budgets?site=portal&release=2.0 Bearer open"]);
  assert.match(text("summary.md"), /### ✓ PASS[^]*\| ✓ met \| `all routes` \| phone \| LCP \| 2,000 ms \| 900 ms \(880–920\) \| 390 of 400 \| 900 ms ✓ \|/);
  assert.match(text("summary.md"), /\| ✓ passed \| `http:\/\/localhost:3000\/` \| desktop \|/);
  assert.equal(text("outputs"), "answer=pass\n");
  assert.match(text(".edge-vitals/gate.xml"), /tests="3" failures="0"/);
  assert.deepEqual(text("gh.log").split("\n").map((line) => line.split(" --")[0]), ["api", "api", ""]);
  assert.match(text("gh.log"), /--method POST repos\/shop\/portal\/issues\/7\/comments --field body=@\.edge-vitals\/gate\.md/);
});

test("with a token, lab results are uploaded; a failing upload does not fail the run", async () => {
  const path = checkout(900);
  const url = `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}`;
  asked.length = 0;
  const { code, told } = await acted(path, { ...GIVEN, url, site: "portal", release: "2.0", "manage-token": "manage" });
  assert.equal(code, 0, told);
  assert.deepEqual(asked, ["/api/lab?site=portal Bearer manage", "/api/budgets?site=portal&release=2.0 undefined"]);
  assert.match(told, /✓ \/ on phone, 2 runs|✓ \/ on phone, 1 run/);
  refuses = true;
  const held = await acted(path, { ...GIVEN, url, site: "portal", "manage-token": "manage" });
  refuses = false;
  assert.equal(held.code, 0, held.told);
  assert.match(held.told, /::warning::the lab's medians were not uploaded/);
});

test("a violated lab budget fails the gate without a Worker, and the comment is updated", async () => {
  const path = checkout(2100);
  writeFileSync(join(path, "comments"), "41\n42\n");
  const { code, told, text } = await acted(path, { ...GIVEN, devices: "phone", comment: "true" });
  assert.equal(code, 1, told);
  assert.match(told, /::error file=budgets\.json,line=1,title=largest-contentful-paint is over budget in the lab::/);
  assert.match(text("summary.md"), /### ✗ VIOLATED/);
  assert.equal(text("outputs"), "answer=violated\n");
  assert.match(text("gh.log"), /--method PATCH repos\/shop\/portal\/issues\/comments\/42 /);
});

test("a run without assertions does not pass", async () => {
  const path = checkout(900);
  writeFileSync(join(path, "report.json"), JSON.stringify({ lighthouseVersion: "12.6.1", categories: {}, audits: {} }));
  const { code, told } = await acted(path, { ...GIVEN, devices: "phone" });
  assert.equal(code, 2, told);
});

test("inputs are never run as commands", async () => {
  for (const { id, run } of action.runs.steps) assert.doesNotMatch(run, /\$\{\{/, `${id}: inputs go through the environment`);
  const path = checkout(900);
  const { code, told } = await acted(path, { ...GIVEN, devices: "", site: '"; touch hacked; "', url: "http://127.0.0.1:9", release: "$(touch hacked)" });
  assert.equal(code, 2, told);
  assert.ok(!existsSync(join(path, "hacked")));
});

test("the workflow from init passes valid inputs to the action", () => {
  const workflow = yaml.load(readFileSync(join(ROOT, "pkg/cli/templates/vitals.yml"), "utf8"));
  const uses = Object.values(workflow.jobs).flatMap((/** @type {any} */ job) => job.steps.filter((/** @type {any} */ step) => step.uses?.startsWith("./")));
  assert.equal(uses.length, 2);
  for (const { uses: path, with: given } of uses) {
    assert.equal(path, "./node_modules/edge-vitals/dist/action");
    for (const name of Object.keys(given)) assert.ok(name in action.inputs, name);
  }
  assert.ok(existsSync(join(ROOT, "pkg/dist/action/action.yml")));
});
