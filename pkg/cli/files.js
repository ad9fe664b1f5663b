// Files that commands read: budgets, and the configuration and results of Lighthouse CI.
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

import toolkit from "../dist/toolkit/toolkit.cjs";
import { reason, Trouble } from "./trouble.js";

/** The budgets in that file. @param {string} file */
export function budgetsIn(file) {
  const text = read(file, "name your budgets.json with --budgets, or write one with `edge-vitals init`");
  const error = toolkit.budgetError(text);
  if (error) {
    const says = error.message.replace(/^line \d+, column \d+: /, "");
    throw new Trouble(`${file}:${error.line}:${error.column}: ${says}`, "mend that line and run this again");
  }
  return new toolkit.Budgets(text);
}

/** The text of a file. @param {string} file @param {string} next */
export function read(file, next) {
  if (!existsSync(file)) throw new Trouble(`${file} is not there`, next);
  return readFileSync(file, "utf8");
}

/** The JSON in a file. @param {string} file @param {string} next @returns {any} */
export function readJson(file, next) {
  try {
    return JSON.parse(read(file, next));
  } catch (error) {
    if (error instanceof Trouble) throw error;
    throw new Trouble(`${file} is not JSON: ${reason(error)}`, next);
  }
}

/**
 * The configuration of Lighthouse CI. @param {string} file
 * @returns {import("../types/lighthouse.cjs").Lighthouserc}
 */
export function lighthousercIn(file) {
  const path = resolve(file);
  read(path, "name your lighthouserc with --config");
  let config;
  try {
    config = createRequire(path)(path);
  } catch (error) {
    throw new Trouble(`${file} cannot be loaded: ${reason(error)}`, "mend it and run this again");
  }
  if (!config?.edgeVitals) {
    throw new Trouble(
      `${file} was not made by \`lighthouserc\` of edge-vitals/lighthouse`,
      "export what that function returns; `edge-vitals init` writes such a file",
    );
  }
  return config;
}

/** Where `verify-lhci` leaves what it found. @param {string} directory the one that holds .lighthouseci */
export const labFile = (directory) => join(directory, ".lighthouseci", "edge-vitals.json");
