// The portal's README names only existing files, commands and settings, and every setting; each source
// has a summary.
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { ROOT } from "../run.mjs";

const FOLDER = join(ROOT, "www/portal");
const README = readFileSync(join(FOLDER, "README.md"), "utf8");

test("each file in the README exists, and each command is a script of the package", () => {
  const named = [...README.matchAll(/^\| ((?:`[\w./[\]-]+`(?:, )?)+) \|/gm)].flatMap(([, names]) => names.replaceAll("`", "").split(", ")).filter((name) => /[./]/.test(name));
  assert.ok(named.length >= 10, named.join(", "));
  for (const name of named) assert.ok(existsSync(join(FOLDER, name)), name);
  const { scripts } = JSON.parse(readFileSync(join(FOLDER, "package.json"), "utf8"));
  const run = [...README.matchAll(/npm run (\w+)/g)].map(([, name]) => name);
  assert.deepEqual(run, ["setup", "member", "dev"]);
  for (const name of run) assert.ok(name in scripts, name);
});

test("the README lists exactly the settings that are read", () => {
  const sources = ["secrets.ts", "edge.ts", "store/database.ts", "app/layout.tsx", "app/api/health/advanced/route.ts"].map((file) => readFileSync(join(FOLDER, file), "utf8")).join("\n");
  const listed = [...README.split("## Settings")[1].matchAll(/^\| ((?:`[A-Z_]+`(?:, )?)+) \|/gm)].flatMap(([, names]) => names.replaceAll("`", "").split(", "));
  assert.deepEqual(listed.filter((name) => !sources.includes(name)), ["EDGE_VITALS_CACHE_TOKEN"], "`edge-vitals/cache` reads it itself");
  const example = [...readFileSync(join(FOLDER, ".env.example"), "utf8").matchAll(/^(?:# )?([A-Z_]+)=/gm)].map(([, name]) => name);
  assert.deepEqual(example.sort(), listed.sort());
});

test("each source opens with a summary", () => {
  const files = readdirSync(FOLDER, { recursive: true, encoding: "utf8" }).filter((file) => /\.tsx?$/.test(file) && !/node_modules|\.next|next-env/.test(file));
  assert.ok(files.length >= 30);
  for (const file of files) assert.match(readFileSync(join(FOLDER, file), "utf8"), /^("use (client|server)";\n)?\/\/! [A-Z`]/, file);
});
