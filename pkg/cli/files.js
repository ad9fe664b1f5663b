// Files that commands read: budgets.json, and the configuration and results of Lighthouse CI.
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

import toolkit from "../dist/toolkit/toolkit.cjs";
import { CliError, errorMessage } from "./cli_error.js";

/** The project's budgets: those that `init` writes or, in a project of an earlier version, those beside Lighthouse's. */
export const budgetsFile = () => [BUDGETS, EARLIER_BUDGETS].find((file) => existsSync(file)) ?? BUDGETS;

/** @param {string} file */
export function readBudgets(file) {
  const text = readText(file, "pass the path of your budgets.json with --budgets, or create one with `edge-vitals init`");
  const error = toolkit.budgetError(text);
  if (error) {
    const message = error.message.replace(/^line \d+, column \d+: /, "");
    throw new CliError(`${file}:${error.line}:${error.column}: ${message}`, "correct that line, and run the command again");
  }
  return new toolkit.Budgets(text);
}

/** @param {string} file @param {string} remedy */
export function readText(file, remedy) {
  if (!existsSync(file)) throw new CliError(`${file} does not exist`, remedy);
  return readFileSync(file, "utf8");
}

/** @param {string} file @param {string} remedy @returns {any} */
export function readJson(file, remedy) {
  try {
    return JSON.parse(readText(file, remedy));
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(`${file} is not valid JSON: ${errorMessage(error)}`, remedy);
  }
}

/**
 * The configuration of Lighthouse CI. @param {string} file
 * @returns {import("../types/lighthouse.cjs").Lighthouserc}
 */
export function readLighthouserc(file) {
  const path = resolve(file);
  readText(path, "pass the path of your lighthouserc with --config");
  let config;
  try {
    config = createRequire(path)(path);
  } catch (error) {
    throw new CliError(`${file} cannot be loaded: ${errorMessage(error)}`, "correct it, and run the command again");
  }
  if (!config?.edgeVitals) {
    throw new CliError(
      `${file} does not export the result of \`lighthouserc\` (edge-vitals/lighthouse)`,
      "export that result; `edge-vitals init` writes such a file",
    );
  }
  return config;
}

const BUDGETS = "edge-vitals/budgets.json";
export const EARLIER_BUDGETS = "lighthouse/budgets.json";

/** The path of the results of `verify-lhci`. @param {string} directory the parent of .lighthouseci */
export const labFile = (directory) => join(directory, ".lighthouseci", "edge-vitals.json");
