// edge-vitals/lighthouse: the whole lighthouserc from budgets.json. CommonJS, since Lighthouse CI
// `require`s its configuration. What is asserted of which page is decided in Rust (crates/budget);
// this adds what depends on the machine.
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
  // Beside ours and in addition: rows of `assertMatrix` apply side by side.
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
  if (!existsSync(file)) throw new Error(`${file} is not there; name your budgets.json in \`budgets\``);
  try {
    return new Budgets(readFileSync(file, "utf8"));
  } catch (error) {
    throw new Error(`${file}: ${error instanceof Error ? error.message : error}`);
  }
}

/** Chromium has no sandbox for root, which containers often are. @param {unknown} [own] */
function flags(own) {
  if (process.getuid?.() !== 0) return {};
  return { chromeFlags: [own, "--no-sandbox"].flat().filter(Boolean).join(" ") };
}

const OPTIONS = ["budgets", "urls", "device", "runs", "collect", "assertions", "upload"];

module.exports = { lighthouserc };
