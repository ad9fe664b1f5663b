// The package installed in a project: it configures Lighthouse CI, deploys the Worker with the project's budgets, and
// runs from the command line.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { before, test } from "node:test";

import { directory, ROOT, run } from "../run.mjs";

/** @type {string} */
let project;
before(() => {
  project = directory({ "package.json": JSON.stringify({ name: "@shop/portal", dependencies: { next: "16.0.0" } }) });
  // As npm would install it: what `files` names, and nothing else.
  const home = join(project, "node_modules/edge-vitals");
  const { files } = JSON.parse(readFileSync(join(ROOT, "pkg/package.json"), "utf8"));
  for (const file of ["package.json", ...files]) cpSync(join(ROOT, "pkg", file), join(home, file), { recursive: true });
  mkdirSync(join(project, "node_modules/.bin"));
  symlinkSync("../edge-vitals/cli/edge-vitals.js", join(project, "node_modules/.bin/edge-vitals"));
});

/** @param {string[]} words */
const cli = (...words) => run(project, ["node", join(project, "node_modules/edge-vitals/cli/edge-vitals.js"), ...words]);

/** @param {string} name */
const text = (name) => readFileSync(join(project, name), "utf8");

test("init shows diffs, and with --dry-run writes nothing", async () => {
  const { code, out } = await cli("init", "--origin", "https://portal.example", "--dry-run");
  assert.equal(code, 0);
  for (const name of FILES) {
    assert.ok(out.includes(`--- /dev/null\n+++ b/${name}\n@@ -0,0 +1,`), name);
    assert.ok(!existsSync(join(project, name)), name);
  }
});

test("init writes missing files and overwrites none by default", async () => {
  mkdirSync(join(project, "lighthouse"));
  const own = '[{ "timings": [{ "metric": "largest-contentful-paint", "budget": 1234 }] }]\n';
  writeFileSync(join(project, "lighthouse/budgets.json"), own);
  const { code, out } = await cli("init", "--origin", "https://portal.example");
  assert.equal(code, 0);
  assert.equal(text("lighthouse/budgets.json"), own);
  assert.match(out, /\n-\[\{ "timings": [^]*\n! lighthouse\/budgets\.json kept; --overwrite replaces it/);
  assert.match(text("wrangler.toml"), /SITES = \{ "portal" = \{ origins = \["https:\/\/portal\.example"\]/);
  assert.match(text(".github/workflows/vitals.yml"), /site: portal\n/);
  const again = await cli("init", "--origin", "https://portal.example");
  assert.match(again.out, /= wrangler\.toml is up to date/);
  assert.match(again.out, /0 files written, 1 kept/);
});

test("the Worker is deployed with the project's own budgets, but not with invalid ones", async () => {
  const deploy = () => run(project, ["wrangler", "deploy", "--dry-run", "--env", "production", "--outdir", "out"], { WRANGLER_SEND_METRICS: "false" });
  const { code, out, err } = await deploy();
  assert.equal(code, 0, out + err);
  assert.match(out, /portal-vitals|Durable Object/);
  assert.equal(text(".edge-vitals/assets/v1/budgets.json"), text("lighthouse/budgets.json"));
  assert.ok(existsSync(join(project, ".edge-vitals/assets/v1/client.js")));
  assert.equal(text(".edge-vitals/.gitignore"), "*\n");
  writeFileSync(join(project, "lighthouse/budgets.json"), '[{ "timing": [] }]');
  const wrong = await deploy();
  assert.notEqual(wrong.code, 0);
  assert.match(wrong.out + wrong.err, /lighthouse\/budgets\.json:1:4: \[0\]\.timing: unknown key "timing"; did you mean "timings"\?/);
});

test("init outside a Next.js project fails with a remedy", async () => {
  const elsewhere = directory({ "package.json": "{}" });
  const { code, err } = await run(elsewhere, ["edge-vitals", "init"]);
  assert.equal(code, 2);
  assert.match(err, /package\.json does not depend on next\n {2}run this in the directory of a Next\.js project/);
});

test("budgets are validated and explained", async () => {
  const check = await cli("budgets", "check");
  assert.equal(check.code, 2);
  assert.match(check.err, /lighthouse\/budgets\.json:1:4: \[0\]\.timing: unknown key "timing"/);
  rmSync(join(project, "lighthouse/budgets.json"));
  await cli("init");
  assert.equal((await cli("budgets", "check")).out, "✓ lighthouse/budgets.json is valid.\n");
  const explained = JSON.parse((await cli("budgets", "explain", "/cart", "--json")).out);
  assert.deepEqual(explained.field.find((/** @type {any} */ limit) => limit.metric === "LCP"), { metric: "LCP", max: 2000, percentile: 75, severity: "error", minSamples: 30, line: 6 });
  assert.match((await cli("budgets", "explain", "/cart")).out, /total-blocking-time {2,}≤ 240 ms +proxy of INP/);
  assert.match((await cli("budgets", "explain", "/", "--device", "watch")).err, /unknown device "watch"; use one of phone, tablet, desktop/);
  assert.match((await cli("budgets", "explain", "cart")).err, /unknown arguments "explain cart" of budgets/);
});

test("Lighthouse CI's configuration works with require and import, in every available Node", () => {
  const sentence = `({ budgets: "lighthouse/budgets.json", urls: ["http://localhost:3000"] }).ci.collect.url[0])`;
  const required = `console.log(require("edge-vitals/lighthouse").lighthouserc${sentence}`;
  const imported = `import { lighthouserc } from "edge-vitals/lighthouse"; console.log(lighthouserc${sentence}`;
  for (const node of nodes()) {
    for (const words of [["--eval", required], ["--input-type=module", "--eval", imported]]) {
      assert.equal(execFileSync(node, words, { cwd: project, encoding: "utf8" }), "http://localhost:3000/\n", node);
    }
  }
  const config = `console.log(require("./lighthouse/lighthouserc.cjs").ci.collect.startServerCommand)`;
  assert.equal(execFileSync("node", ["--eval", config], { cwd: project, encoding: "utf8" }), "npm run start\n");
});

test("an invalid option of the configuration is an error", () => {
  const given = (/** @type {string} */ options) => {
    const words = ["--eval", `try { require("edge-vitals/lighthouse").lighthouserc(${options}) } catch ({ message }) { console.log(message) }`];
    return execFileSync("node", words, { cwd: project, encoding: "utf8" }).trim();
  };
  const budgets = `budgets: "lighthouse/budgets.json"`;
  assert.match(given(`{ ${budgets}, url: [] }`), /^lighthouserc has no option "url"; it has budgets, urls,/);
  assert.match(given(`{ ${budgets}, urls: [] }`), /^urls is empty; list at least one page/);
  assert.match(given(`{ ${budgets}, urls: ["/"], }`), /^"\/" is not a page URL/);
  assert.match(given(`{ ${budgets}, urls: ["http://a/"], device: "tablet" }`), /^Lighthouse cannot emulate a tablet/);
  assert.match(given(`{ budgets: "none.json", urls: ["http://a/"] }`), /^none\.json does not exist/);
});

test("every command has help, and an unknown one is an error", async () => {
  const { out, code } = await cli("--help");
  assert.equal(code, 0);
  const names = [...out.matchAll(/^ {2}(\S+) {2}/gm)].map(([, name]) => name);
  assert.deepEqual(names, ["init", "worker", "budgets", "verify-lhci", "lab", "gate", "doctor", "tokens", "site"]);
  for (const name of names) {
    const help = await cli(name, "--help");
    assert.match(help.out, new RegExp(`^[A-Z].*\\.\n\n {2}edge-vitals ${name}`));
  }
  const wrong = await cli("gaet");
  assert.deepEqual([wrong.code, wrong.err], [2, '✗ unknown command "gaet"\n  run `edge-vitals help` for a list of commands\n']);
});

/** The pinned Node, and the machine's own if it is another. */
function nodes() {
  const folders = (process.env.PATH ?? "").split(delimiter).filter((folder) => !folder.includes("node_modules"));
  const own = folders.map((folder) => join(folder, "node")).find((path) => existsSync(path));
  return [process.execPath, ...(own ? [own] : [])];
}

const FILES = ["wrangler.toml", "lighthouse/budgets.json", "lighthouse/lighthouserc.cjs", "instrumentation-client.js", ".github/workflows/vitals.yml"];
