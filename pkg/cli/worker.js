// Lays out the packaged Worker with the project's budgets for wrangler. It is the build command in
// wrangler.toml, so `npx wrangler deploy` always deploys the current budgets.json.
import { cpSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { CliError } from "./cli_error.js";
import { budgetsFile, readBudgets, readText } from "./files.js";

export const about = "Lays out the Worker with your budgets for `npx wrangler deploy`; fails on an invalid budgets.json.";

export const help = `
  edge-vitals worker              the build command in edge-vitals/wrangler.toml

  --budgets FILE   your budgets (edge-vitals/budgets.json)
  --out DIRECTORY  the output directory (node_modules/.cache/edge-vitals)`;

export const options = /** @type {const} */ ({ budgets: { type: "string" }, out: { type: "string" } });

/** @param {{ values: any, positionals: string[] }} given */
export function run({ values }) {
  const file = values.budgets ?? budgetsFile();
  const out = values.out ?? OUTPUT;
  readBudgets(file);
  if (!existsSync(SHIPPED)) throw new CliError("this package does not contain the Worker", "build it with `cargo xtask build`, or install the package from npm");
  mkdirSync(out, { recursive: true });
  // The directory is generated: git ignores it.
  writeFileSync(join(out, ".gitignore"), "*\n");
  cpSync(SHIPPED, out, { recursive: true });
  writeFileSync(join(out, "assets/v1/budgets.json"), readText(file, ""));
  console.log(`✓ The Worker is in ${out}, with the budgets of ${file}.`);
  return 0;
}

/** No linter and no type check of a project looks there. */
const OUTPUT = "node_modules/.cache/edge-vitals";

/** The packaged Worker: `worker/`, `assets/` and their wrangler.toml. */
export const SHIPPED = join(dirname(fileURLToPath(import.meta.url)), "../dist/worker");
