// The proof that Lighthouse CI asserted what it was to assert. It passes silently when an audit is
// misspelt or a pattern matches no page, so the results are held against what was asked for.
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import toolkit from "../dist/toolkit/toolkit.cjs";
import { budgetsIn, labFile, lighthousercIn, readJson } from "./files.js";
import { labTable } from "./report/text.js";
import { reason, Trouble } from "./trouble.js";

/** @typedef {import("./documents.js").LhciVerification} LabFound */

export const about = "Proves that Lighthouse CI asserted every budget of every page, and sums up what it found.";

export const help = `
  edge-vitals verify-lhci                                  after \`lhci autorun\`, in the same directory
  edge-vitals verify-lhci --config lighthouse/lighthouserc.cjs --dir lab/desktop

  --config FILE     the configuration (lighthouserc.cjs, or lighthouse/lighthouserc.cjs)
  --dir DIRECTORY   where Lighthouse CI ran, which holds .lighthouseci (.)
  --json            prints what was found for programs

  It leaves .lighthouseci/edge-vitals.json for \`edge-vitals gate --lab DIRECTORY\`.
  Exit codes: 0 all was asserted and is kept, 1 a budget is broken, 2 something was not asserted.`;

export const options = /** @type {const} */ ({
  config: { type: "string" },
  dir: { type: "string" },
  json: { type: "boolean" },
});

/** @param {{ values: any, positionals: string[] }} given */
export function run({ values, positionals }) {
  if (positionals.length) throw new Trouble(`verify-lhci takes no "${positionals[0]}"`, "name a directory with --dir");
  const directory = values.dir ?? ".";
  const config = lighthousercIn(values.config ?? CONFIGS.find((name) => existsSync(name)) ?? CONFIGS[0]);
  const results = readJson(join(directory, ".lighthouseci/assertion-results.json"), "run `lhci autorun` (or `lhci collect` and `lhci assert`) there first");
  const { budgets: file, urls, device } = config.edgeVitals;
  /** @type {LabFound} */
  const found = { ...proven(file, urls, device, results), unmade: unmade(added(config), results) };
  const { answer, code } = toolkit.labGate([found]);
  writeFileSync(labFile(directory), `${JSON.stringify(found, null, 2)}\n`);

  if (values.json) console.log(JSON.stringify({ answer, ...found }, null, 2));
  else console.log(summary(found, answer, pagesOf(results)));
  return code;
}

/** @param {string} file @param {string[]} urls @param {string} device @param {any[]} results @returns {LabFound} */
function proven(file, urls, device, results) {
  const budgets = budgetsIn(file);
  // Assertions of other kinds, which people add, are none of ours.
  const ours = results.filter(({ name, expected }) => ["maxNumericValue", "auditRan"].includes(name) && ["number", "boolean"].includes(typeof expected));
  try {
    return budgets.verify(urls, device, ours.map(({ actual, expected, ...rest }) => ({ ...rest, expected: Number(expected), actual: typeof actual === "number" ? actual : null })));
  } catch (error) {
    throw new Trouble(`assertion-results.json cannot be read: ${reason(error)}`, "was it written by Lighthouse CI 0.15?");
  }
}

/**
 * The rows of a configuration without the assertions that follow from the budgets: those are proved one
 * by one. What is left was added, or changed, by hand.
 * @param {import("../types/lighthouse.cjs").Lighthouserc} config
 */
function added({ ci, edgeVitals: { budgets, urls, device } }) {
  /** @type {import("../types/lighthouse.cjs").AssertRow[]} */
  const ours = budgetsIn(budgets).lighthouserc(urls, device, 1).assert.assertMatrix;
  const isOurs = (/** @type {string} */ pattern, /** @type {string} */ audit) =>
    ours.some(({ matchingUrlPattern, assertions }) => matchingUrlPattern === pattern && audit in assertions);
  return ci.assert.assertMatrix.map(({ matchingUrlPattern, assertions }) => {
    const left = Object.entries(assertions).filter(([audit]) => !isOurs(matchingUrlPattern, audit));
    return { matchingUrlPattern, assertions: Object.fromEntries(left) };
  });
}

/**
 * Which of these assertions left no result at all.
 * @param {import("../types/lighthouse.cjs").AssertRow[]} rows @param {any[]} results
 */
function unmade(rows, results) {
  const pages = pagesOf(results);
  return rows.flatMap(({ matchingUrlPattern: pattern, assertions }) => {
    const matches = new RegExp(pattern);
    const reached = pages.some((page) => matches.test(page));
    return Object.entries(assertions).flatMap(([audit, assertion]) => {
      const level = Array.isArray(assertion) ? assertion[0] : assertion;
      if (level === "off") return [];
      if (!["warn", "error"].includes(level)) return [{ pattern, audit, why: `its level is "${level}"; known are off, warn and error` }];
      const isMade = results.some((result) => matches.test(result.url) && keyOf(result) === audit.replaceAll(".", ":") && result.name !== "auditRan");
      if (isMade) return [];
      return [{ pattern, audit, why: reached ? "the audit gave no result; is its name right, and does this Lighthouse have it?" : "no page that was visited matches" }];
    });
  });
}

/** @param {{ auditId: string, auditProperty?: string | string[] }} result */
function keyOf({ auditId, auditProperty }) {
  const rest = Array.isArray(auditProperty) ? auditProperty : (auditProperty?.split(".") ?? []);
  return [auditId, ...rest].join(":");
}

/** @param {any[]} results @returns {string[]} */
const pagesOf = (results) => [...new Set(results.map(({ url }) => url))];

/** @param {LabFound} found @param {string} answer @param {string[]} pages */
function summary({ device, outcomes, unmade }, answer, pages) {
  const parts = [outcomes.length ? labTable(outcomes.map((row) => ({ ...row, device }))) : "  The budgets ask for nothing in the lab on these pages."];
  if (unmade.length) {
    parts.push(["Never asserted:", ...unmade.map(({ pattern, audit, why }) => `  ? ${audit} of ${pattern}: ${why}`)].join("\n"));
  }
  const missed = outcomes.filter(({ outcome, url }) => outcome === "not-asserted" && !pages.includes(url));
  if (missed.length) {
    parts.push(`Lighthouse saw ${pages.join(", ") || "no page"}, and not ${[...new Set(missed.map(({ url }) => url))].join(", ")}: name pages as they are after redirects.`);
  }
  const ANSWERS = {
    pass: "✓ PASS: every budget was asserted, and those that matter are kept",
    violated: "✗ VIOLATED: a budget that matters is broken",
    insufficient: "? INSUFFICIENT: not everything was asserted, so passing would prove nothing",
  };
  return [...parts, ANSWERS[/** @type {keyof typeof ANSWERS} */ (answer)]].join("\n\n");
}

const CONFIGS = ["lighthouserc.cjs", "lighthouse/lighthouserc.cjs"];
