// The installed code of Lighthouse and Lighthouse CI as the oracle: scores of both versions, and the
// meaning of any valid budget.json. The golden files beside the crates check the same natively.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";

import toolkit from "../../pkg/dist/toolkit/toolkit.cjs";

const require = createRequire(import.meta.url);
// These are internal modules without types.
const internal = (/** @type {string} */ name) => require(`@lhci/utils/src/${name}.js`);
const { Budget } = internal("budget");
const { convertBudgetsToAssertions } = internal("budgets-converter");

/** @template T @param {readonly T[]} all @returns {T} */
const oneOf = (all) => all[Math.floor(Math.random() * all.length)];

/** Picks some of them, each once. @template T @param {readonly T[]} all */
const someOf = (all) => all.filter(() => Math.random() < 0.4).sort(() => Math.random() - 0.5);

for (const version of ["lighthouse", "lighthouse-13"]) {
  test(`every score equals that of ${version}`, async () => {
    const { Audit } = await import(`${version}/core/audits/audit.js`);
    const audits = ["first-contentful-paint", "largest-contentful-paint", "total-blocking-time", "cumulative-layout-shift", "speed-index", "interaction-to-next-paint", "max-potential-fid"];
    for (const id of audits) {
      const { default: Class } = await import(`${version}/core/audits/metrics/${id}.js`);
      for (const form of ["mobile", "desktop"]) {
        const curve = Class.defaultOptions[form]?.scoring ?? Class.defaultOptions;
        for (let i = 0; i < 200; i += 1) {
          const value = curve.median * Math.exp(6 * (Math.random() - 0.6));
          assert.equal(toolkit.score(id, value, form === "desktop"), Audit.computeLogNormalScore(curve, value), `${id} ${form} ${value}`);
        }
      }
    }
  });
}

const METRICS = ["first-contentful-paint", "interactive", "first-meaningful-paint", "max-potential-fid", "total-blocking-time", "speed-index", "largest-contentful-paint", "cumulative-layout-shift"];
const RESOURCES = ["total", "document", "script", "stylesheet", "image", "media", "font", "other", "third-party"];
const PATHS = ["/", "/cart", "/cart$", "/product/*", "/*.html$", "/a*b", "cart", "/a$b", "/a*b*c"];

/** A random entry that Lighthouse accepts, or nearly. */
function randomEntry() {
  const budget = () => oneOf([0, 1, 170, 2000.5, 0.1, 1e9, Math.random() * 5000]);
  const timings = someOf(METRICS).map((metric) => ({ metric, budget: budget() }));
  const resources = () => someOf(RESOURCES).map((resourceType) => ({ resourceType, budget: budget() }));
  /** @type {Record<string, any>} */
  const entryFields = { path: oneOf(PATHS), timings, resourceSizes: resources(), resourceCounts: resources() };
  for (const key of someOf(Object.keys(entryFields))) delete entryFields[key];
  const defect = oneOf([...Array(12).fill(undefined), "key", "metric", "twice", "text", "hosts"]);
  if (defect === "key") entryFields.timing = [];
  if (defect === "metric") entryFields.timings = [{ metric: "largest-paint", budget: 1 }];
  if (defect === "twice") entryFields.resourceSizes = [{ resourceType: "script", budget: 1 }, { resourceType: "script", budget: 2 }];
  if (defect === "text") entryFields.timings = [{ metric: "speed-index", budget: "3000" }];
  if (defect === "hosts") entryFields.options = { firstPartyHostnames: oneOf([["*.example.org"], ["https://example.org"], []]) };
  return entryFields;
}

test("any budget.json that Lighthouse accepts is accepted with the same meaning", async () => {
  const counts = { taken: 0, refused: 0, compared: 0 };
  for (let round = 0; round < 600; round += 1) {
    const budgetEntry = randomEntry();
    const text = JSON.stringify([budgetEntry]);
    const theirs = await convertBudgetsToAssertions([budgetEntry]).catch(() => undefined);
    const error = toolkit.budgetError(text);
    if (!theirs) {
      counts.refused += 1;
      continue;
    }
    assert.equal(error, null, text);
    counts.taken += 1;
    const budgets = new toolkit.Budgets(text);
    for (const path of ["/", "/cart", "/cart?a=1", "/product/1", "/x/index.html", "/acb"]) {
      const url = `http://localhost:3000${path}`;
      const [row] = budgets.lighthouserc([url], "phone", 5).assert.assertMatrix;
      const [{ assertions }] = theirs.assertMatrix;
      const applies = !budgetEntry.path || Budget.urlMatchesPattern(url, budgetEntry.path);
      const values = (/** @type {Record<string, any>} */ all) => Object.fromEntries(Object.entries(all).map(([audit, [level, { maxNumericValue }]]) => [audit, [level, maxNumericValue]]).sort());
      assert.deepEqual(values(row.assertions), applies ? values(assertions) : {}, `${text} at ${path}`);
      counts.compared += 1;
    }
  }
  assert.ok(counts.taken > 200 && counts.refused > 50, `${JSON.stringify(counts)}: the generator makes both kinds`);
});
