/**
 * Writes results.json with Lighthouse CI's own code: what it makes of the rows in rows.json, which
 * the test holds against the toolkit's, and of reports of five runs each. Run it where this is
 * installed:
 *
 *   npm install --no-save @lhci/utils@0.15.1
 *   node crates/toolkit/tests/lighthouse-ci/golden.mjs
 */
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(`${process.cwd()}/`);
const { getAllAssertionResults } = require("@lhci/utils/src/assertions.js");

/** @param {string} name */
const here = (name) => new URL(name, import.meta.url);
const assertMatrix = JSON.parse(readFileSync(here("rows.json"), "utf8"));

/** A report with just what is asserted. @param {string} finalUrl @param {number | undefined} paint */
const report = (finalUrl, paint) => {
  const numbers = {
    "largest-contentful-paint": paint,
    "cumulative-layout-shift": 0.02,
    "total-blocking-time": 30,
  };
  const audits = Object.fromEntries(
    Object.entries(numbers).map(([id, numericValue]) => [id, { id, title: id, description: "", score: 1, numericValue }]),
  );
  const items = [{ resourceType: "script", transferSize: 9000, requestCount: 3 }];
  audits["resource-summary"] = { id: "resource-summary", title: "", description: "", score: null, details: { items } };
  return { finalUrl, categories: {}, audits };
};
/** @param {string} path @param {(number | undefined)[]} paints */
const runs = (path, paints) => paints.map((paint) => report(`http://localhost:3000${path}`, paint));
const steady = runs("/shop", [900, 900, 900, 900, 900]);

const visits = {
  // The median is within budget, the worst run is not.
  kept: [...runs("/", [1500, 1900, 1950, 2500, 2600]), ...steady],
  // The best run is within budget, which is all that Lighthouse CI asks by default.
  slow: [...runs("/", [1500, 1900, 2050, 2500, 2600]), ...steady],
  blank: [...runs("/", [undefined, undefined, undefined, undefined, undefined]), ...steady],
  redirected: [...runs("/welcome", [900, 900, 900, 900, 900]), ...steady],
};
const results = Object.entries(visits).map(([name, reports]) => [
  name,
  getAllAssertionResults({ assertMatrix, includePassedAssertions: true }, reports),
]);
writeFileSync(here("results.json"), `${JSON.stringify(Object.fromEntries(results), null, 1)}\n`);
