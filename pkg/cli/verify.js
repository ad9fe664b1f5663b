// Verifies that Lighthouse CI made every expected assertion. It passes silently if an audit is misspelt or a
// pattern matches no page, so its results are compared with the configuration.
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import toolkit from "../dist/toolkit/toolkit.cjs";
import { CliError, errorMessage } from "./cli_error.js";
import { labFile, readBudgets, readJson, readLighthouserc } from "./files.js";
import { labTable } from "./report/text.js";

/** @typedef {import("./documents.js").LhciVerification} LabFound */

export const about = "Verifies that Lighthouse CI asserted every budget of every page, and summarizes the results.";

export const help = `
  edge-vitals verify-lhci                                  after \`lhci autorun\`, in the same directory
  edge-vitals verify-lhci --config edge-vitals/lighthouserc.cjs --dir lab/desktop

  --config FILE     the configuration (lighthouserc.cjs, or edge-vitals/lighthouserc.cjs)
  --dir DIRECTORY   the parent of .lighthouseci (.)
  --json            prints JSON

  Writes .lighthouseci/edge-vitals.json for \`edge-vitals gate --lab DIRECTORY\`.
  Exit codes: 0 every assertion was made and passed, 1 a budget is violated, 2 an assertion is missing.`;

export const options = /** @type {const} */ ({
  config: { type: "string" },
  dir: { type: "string" },
  json: { type: "boolean" },
});

/** @param {{ values: any, positionals: string[] }} given */
export function run({ values }) {
  const directory = values.dir ?? ".";
  const config = readLighthouserc(values.config ?? CONFIGS.find((name) => existsSync(name)) ?? CONFIGS[0]);
  const results = readJson(join(directory, ".lighthouseci/assertion-results.json"), "run `lhci autorun` (or `lhci collect` and `lhci assert`) there first");
  const { budgets: file, urls, device } = config.edgeVitals;
  /** @type {LabFound} */
  const verification = { ...verifyBudgets(file, urls, device, results), unmade: missingAssertions(customAssertions(config), results) };
  const { answer, code } = toolkit.labGate([verification]);
  writeFileSync(labFile(directory), `${JSON.stringify(verification, null, 2)}\n`);

  if (values.json) console.log(JSON.stringify({ answer, ...verification }, null, 2));
  else console.log(summary(verification, answer, pagesOf(results)));
  return code;
}

/** @param {string} file @param {string[]} urls @param {string} device @param {any[]} results @returns {LabFound} */
function verifyBudgets(file, urls, device, results) {
  const budgets = readBudgets(file);
  // Assertions of other kinds were added by hand.
  const ownResults = results.filter(({ name, expected }) => ["maxNumericValue", "auditRan"].includes(name) && ["number", "boolean"].includes(typeof expected));
  try {
    return budgets.verify(urls, device, ownResults.map(({ actual, expected, ...rest }) => ({ ...rest, expected: Number(expected), actual: typeof actual === "number" ? actual : null })));
  } catch (error) {
    throw new CliError(`assertion-results.json is invalid: ${errorMessage(error)}`, "run `lhci assert` of Lighthouse CI 0.15 again");
  }
}

/**
 * The rows of a configuration without the assertions from the budgets: those that were added or changed by hand.
 * @param {import("../types/lighthouse.cjs").Lighthouserc} config
 */
function customAssertions({ ci, edgeVitals: { budgets, urls, device } }) {
  /** @type {import("../types/lighthouse.cjs").AssertRow[]} */
  const ours = readBudgets(budgets).lighthouserc(urls, device, 1).assert.assertMatrix;
  const isOurs = (/** @type {string} */ pattern, /** @type {string} */ audit) =>
    ours.some(({ matchingUrlPattern, assertions }) => matchingUrlPattern === pattern && audit in assertions);
  return ci.assert.assertMatrix.map(({ matchingUrlPattern, assertions }) => {
    const left = Object.entries(assertions).filter(([audit]) => !isOurs(matchingUrlPattern, audit));
    return { matchingUrlPattern, assertions: Object.fromEntries(left) };
  });
}

/**
 * The assertions of these rows without a result.
 * @param {import("../types/lighthouse.cjs").AssertRow[]} rows @param {any[]} results
 */
function missingAssertions(rows, results) {
  const pages = pagesOf(results);
  return rows.flatMap(({ matchingUrlPattern: pattern, assertions }) => {
    const matches = new RegExp(pattern);
    const reached = pages.some((page) => matches.test(page));
    return Object.entries(assertions).flatMap(([audit, assertion]) => {
      const level = Array.isArray(assertion) ? assertion[0] : assertion;
      if (level === "off") return [];
      if (!["warn", "error"].includes(level)) return [{ pattern, audit, why: `unknown level "${level}"; use off, warn or error` }];
      const isMade = results.some((result) => matches.test(result.url) && assertionKey(result) === audit.replaceAll(".", ":") && result.name !== "auditRan");
      if (isMade) return [];
      return [{ pattern, audit, why: reached ? "the audit has no result; check its name, and that this Lighthouse version has it" : "no visited page matches the pattern" }];
    });
  });
}

/** @param {{ auditId: string, auditProperty?: string | string[] }} result */
function assertionKey({ auditId, auditProperty }) {
  const rest = Array.isArray(auditProperty) ? auditProperty : (auditProperty?.split(".") ?? []);
  return [auditId, ...rest].join(":");
}

/** @param {any[]} results @returns {string[]} */
const pagesOf = (results) => [...new Set(results.map(({ url }) => url))];

/** @param {LabFound} found @param {string} answer @param {string[]} pages */
function summary({ device, outcomes, unmade }, answer, pages) {
  const parts = [outcomes.length ? labTable(outcomes.map((row) => ({ ...row, device }))) : "  No budget applies to these pages in the lab."];
  if (unmade.length) {
    parts.push(["Never asserted:", ...unmade.map(({ pattern, audit, why }) => `  ? ${audit} of ${pattern}: ${why}`)].join("\n"));
  }
  const unvisited = outcomes.filter(({ outcome, url }) => outcome === "not-asserted" && !pages.includes(url));
  if (unvisited.length) {
    parts.push(`Lighthouse visited ${pages.join(", ") || "no page"}, but not ${[...new Set(unvisited.map(({ url }) => url))].join(", ")}: configure the URLs after redirects.`);
  }
  const ANSWERS = {
    pass: "✓ PASS: every budget was asserted, and none of severity error is violated",
    violated: "✗ VIOLATED: at least one budget of severity error is not met",
    insufficient: "? INSUFFICIENT: at least one assertion is missing or has no value",
  };
  return [...parts, ANSWERS[/** @type {keyof typeof ANSWERS} */ (answer)]].join("\n\n");
}

const CONFIGS = ["lighthouserc.cjs", "edge-vitals/lighthouserc.cjs", "lighthouse/lighthouserc.cjs"];
