/**
 * Writes the golden files of this directory with Lighthouse's own code: its curves, weights and
 * rounding, and the budget.json rules that it had until version 11. Run it where both are
 * installed, under the names below, with their version numbers as npm gives them:
 *
 *   npm install --no-save lighthouse@13.5.0 lighthouse-11@npm:lighthouse@11.7.1
 *   node crates/budget/tests/lighthouse/golden.mjs
 */
import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(`${process.cwd()}/`);
/** @param {string} path */
const load = (path) => import(pathToFileURL(require.resolve(path)).href);

/** The same numbers in every run. */
let state = 20261121;
const random = () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
};

const audits = [
  "first-contentful-paint",
  "largest-contentful-paint",
  "total-blocking-time",
  "cumulative-layout-shift",
  "speed-index",
  "interaction-to-next-paint",
  "max-potential-fid",
];

const { Audit } = await load("lighthouse/core/audits/audit.js");
const { ReportScoring } = await load("lighthouse/core/scoring.js");
const config = (await load("lighthouse/core/config/default-config.js")).default;

/** [audit, form, value, score] */
const scores = [];
for (const id of audits) {
  const { default: Class } = await load(`lighthouse/core/audits/metrics/${id}.js`);
  for (const form of ["mobile", "desktop"]) {
    const options = Class.defaultOptions;
    const curve = options[form]?.scoring ?? options;
    const { p10, median } = curve;
    const values = [-1, 0, p10 / 1e6, p10, median, p10 + 1e-9, median + 1e-9, median * 1e6];
    for (let i = 0; i < 40; i++) values.push(median * Math.exp(4 * (random() - 0.6)));
    for (const value of values) {
      scores.push([id, form, value, Audit.computeLogNormalScore(curve, value)]);
    }
  }
}

/** [the five scores, in the order of the report, or null for one that is not applicable; category] */
const categories = [];
const members = config.categories.performance.auditRefs.filter((member) => member.weight > 0);
for (let i = 0; i < 60; i++) {
  const parts = members.map(() => (random() < 0.1 ? null : Math.floor(random() * 101) / 100));
  const results = Object.fromEntries(
    members.map(({ id }, at) => [
      id,
      { score: parts[at], scoreDisplayMode: parts[at] === null ? "notApplicable" : "numeric" },
    ]),
  );
  const scored = ReportScoring.scoreAllCategories({ performance: { auditRefs: members } }, results);
  if (parts.some((part) => part !== null)) categories.push([parts, scored.performance.score]);
}

const { Budget } = await load("lighthouse-11/core/config/budget.js");
/** [pattern, path, whether it matches; null where the pattern is not allowed] */
const paths = [];
const pieces = ["a", "b", "/", "ab", "ba", ".js", "?"];
const piece = () => pieces[Math.floor(random() * pieces.length)];
for (let i = 0; i < 400; i++) {
  let pattern = "/" + Array.from({ length: random() * 3 }, piece).join("");
  if (random() < 0.6) pattern += "*" + Array.from({ length: random() * 3 }, piece).join("");
  if (random() < 0.4) pattern += "$";
  if (random() < 0.05) pattern = pattern.slice(1);
  const path = "/" + Array.from({ length: random() * 5 }, piece).join("");
  // The URL as Lighthouse sees it: its own idea of what the path is.
  const url = new URL(`https://example.org${path}`);
  let matches = null;
  try {
    Budget.validatePath(pattern);
    matches = Budget.urlMatchesPattern(url.href, pattern);
  } catch {}
  paths.push([pattern, url.pathname + url.search, matches]);
}

/** @param {unknown[]} rows */
const lines = (rows) => `[\n${rows.map((row) => JSON.stringify(row)).join(",\n")}\n]\n`;
for (const [name, rows] of Object.entries({ scores, categories, paths })) {
  writeFileSync(new URL(`${name}.json`, import.meta.url), lines(rows));
}
