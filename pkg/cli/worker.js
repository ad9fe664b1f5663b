// The Worker as it lies in this package, laid out with your budgets for wrangler. wrangler.toml names
// this as its build command, so that `npx wrangler deploy` alone deploys what budgets.json says now.
import { cpSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { budgetsIn, read } from "./files.js";
import { Trouble } from "./trouble.js";

export const about = "Lays out the Worker with your budgets, for `npx wrangler deploy`; refuses a wrong budgets.json.";

export const help = `
  edge-vitals worker              what wrangler.toml calls before it deploys

  --budgets FILE   your budgets (lighthouse/budgets.json)
  --out DIRECTORY  where it is laid out (.edge-vitals)`;

export const options = /** @type {const} */ ({ budgets: { type: "string" }, out: { type: "string" } });

/** @param {{ values: any, positionals: string[] }} given */
export function run({ values }) {
  const file = values.budgets ?? "lighthouse/budgets.json";
  const out = values.out ?? ".edge-vitals";
  budgetsIn(file);
  if (!existsSync(SHIPPED)) throw new Trouble("this package holds no Worker", "build it with `cargo xtask build`, or install it from npm");
  mkdirSync(out, { recursive: true });
  // All of it is made again by this command; git need not know.
  writeFileSync(join(out, ".gitignore"), "*\n");
  cpSync(SHIPPED, out, { recursive: true });
  writeFileSync(join(out, "assets/v1/budgets.json"), read(file, ""));
  console.log(`✓ The Worker is in ${out}, and judges by ${file}.`);
  return 0;
}

/** What the package ships: `worker/`, `assets/` and the wrangler.toml that they were made for. */
export const SHIPPED = join(dirname(fileURLToPath(import.meta.url)), "../dist/worker");
