// docs/ci.md does what it says: its budgets and its configuration are taken, its commands are run, and its
// step gives the action what it takes.
import assert from "node:assert/strict";
import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";

import yaml from "js-yaml";

import { beacon, DESKTOP, serve } from "../product.mjs";
import { directory, ROOT, run } from "../run.mjs";

const PAGE = readFileSync(join(ROOT, "docs/ci.md"), "utf8");

/** @param {string} language */
const blocks = (language) => [...PAGE.matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, "gm"))].map(([, text]) => text);

/** @type {Awaited<ReturnType<typeof serve>>} */
let product;
/** @type {string} */
let project;
before(async () => {
  product = await serve({ SITES: { portal: { public: true } }, MANAGE_TOKEN: "manage sesame" });
  const views = (/** @type {string} */ release) => Array.from({ length: 220 }, () => product.send(beacon({ site: "portal", release, path: "/", m: { FCP: 400, LCP: 900, CLS: 10, INP: 50, TTFB: 90, FID: 5 } }), { "user-agent": DESKTOP }));
  await Promise.all([...views("2026.11.1"), ...views("2026.11.2")]);
  project = directory({ "package.json": '{ "name": "portal", "dependencies": { "next": "16.0.0" } }' });
  symlinkSync(join(ROOT, "node_modules"), join(project, "node_modules"));
});
after(() => product.close());

test("every command of the page succeeds with the page's own budgets and configuration", async () => {
  const [init, ...commands] = blocks("sh");
  assert.match(init, /^npx edge-vitals init/);
  await succeeds(init);
    writeFileSync(join(project, "edge-vitals/budgets.json"), blocks("json")[0]);
  writeFileSync(join(project, "edge-vitals/lighthouserc.cjs"), blocks("cjs")[0]);
  assert.equal(commands.length, 5);
  for (const command of commands) await succeeds(command);
});

test("every option of the configuration is in its table, and the action takes what the page gives it", () => {
  const named = [...PAGE.matchAll(/^\| ((?:`[a-z]+`(?:, )?)+) \|/gm)].flatMap(([, names]) => names.replaceAll("`", "").split(", "));
  const known = /const OPTIONS = \[(.*)\];/.exec(readFileSync(join(ROOT, "pkg/lighthouse.cjs"), "utf8"));
  assert.deepEqual(named.sort(), JSON.parse(`[${known?.[1]}]`).sort());
  const action = yaml.load(readFileSync(join(ROOT, "lighthouse/action/action.yml"), "utf8"));
  const [step] = yaml.load(blocks("yaml")[0]);
  for (const name of Object.keys(step.with)) assert.ok(name in action.inputs, name);
});

/** Runs it as written, but for the Worker's address and the browser. @param {string} text */
async function succeeds(text) {
  const numbers = { "largest-contentful-paint": 900, "cumulative-layout-shift": 0, "total-blocking-time": 20 };
  const audits = Object.fromEntries(Object.entries(numbers).map(([id, numericValue]) => [id, { id, title: "", description: "", score: 1, numericValue }]));
  const items = [{ resourceType: "script", transferSize: 9000, requestCount: 3 }];
  const report = { lighthouseVersion: "12.6.1", categories: {}, audits: { ...audits, "resource-summary": { id: "resource-summary", title: "", description: "", score: null, details: { items } } } };
  const script = `npx() { "$@"; }\n${text.replaceAll("https://vitals.example.com", product.origin)}`;
  const { code, out, err } = await run(project, ["bash", "-euo", "pipefail", "-c", script], { LHCITEST_MOCK_LHR: JSON.stringify(report), MANAGE_TOKEN: "manage sesame" });
  assert.equal(code, 0, text + out + err);
}
