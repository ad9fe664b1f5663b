// edge-vitals/lighthouse: a complete lighthouserc from budgets.json. CommonJS, because Lighthouse CI
// `require`s its configuration. crates/budget decides the assertions; this adds the settings that depend
// on the machine.
"use strict";
const { existsSync, readFileSync } = require("node:fs");

const { Budgets } = require("./dist/toolkit/toolkit.cjs");

/**
 * @param {import("./types/lighthouse.cjs").LabOptions} options
 * @returns {import("./types/lighthouse.cjs").Lighthouserc}
 */
function lighthouserc(options) {
  const unknown = Object.keys(options).find((name) => !OPTIONS.includes(name));
  if (unknown) throw new Error(`lighthouserc has no option "${unknown}"; it has ${OPTIONS.join(", ")}`);
  const { budgets, urls, device = "phone", runs = 5, collect = {}, assertions = {}, upload } = options;
  const rules = read(budgets);
  const { collect: visits, assert } = rules.lighthouserc([...urls], device, runs);
  const settings = { ...visits.settings, ...collect.settings, ...flags(collect.settings?.chromeFlags) };
  // All rows of `assertMatrix` apply, so these assertions add to those of the budgets.
  const own = Object.keys(assertions).length ? [{ matchingUrlPattern: ".*", assertions }] : [];
  return {
    ci: {
      collect: { ...collect, ...visits, settings },
      assert: { ...assert, assertMatrix: [...assert.assertMatrix, ...own] },
      upload: upload ?? { target: "filesystem", outputDir: ".lighthouseci/reports" },
    },
    edgeVitals: { budgets, urls: [...urls], device },
  };
}

/** @param {string} file */
function read(file) {
  if (!existsSync(file)) throw new Error(`${file} does not exist; set \`budgets\` to the path of your budgets.json`);
  try {
    return new Budgets(readFileSync(file, "utf8"));
  } catch (error) {
    throw new Error(`${file}: ${error instanceof Error ? error.message : error}`);
  }
}

/** Chromium's sandbox does not run as root, as in many containers. @param {unknown} [own] */
function flags(own) {
  if (process.getuid?.() !== 0) return {};
  return { chromeFlags: [own, "--no-sandbox"].flat().filter(Boolean).join(" ") };
}

const OPTIONS = ["budgets", "urls", "device", "runs", "collect", "assertions", "upload"];

module.exports = { lighthouserc };
