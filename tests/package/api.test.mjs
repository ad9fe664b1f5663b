//! The exports and types of web-vitals, walked in its own declarations: the package has each, or docs/migrating.md
//! lists it as a difference. `tests/package/web-vitals-types.ts` compares the types themselves.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { test } from "node:test";

const ROOT = join(import.meta.dirname, "../..");
const THEIRS = join(ROOT, "node_modules/web-vitals");
const listed = differences(await readFile(join(ROOT, "docs/migrating.md"), "utf8"));

for (const [entry, file] of /** @type {const} */ ([["web-vitals", "index"], ["web-vitals/attribution", "attribution/index"]])) {
  const ours = join(ROOT, "pkg/types", `${file.split("/")[0]}.d.ts`);

  test(`each name that ${entry} declares is declared or listed as a difference`, async () => {
    const [expected, actual] = [await names(join(THEIRS, "dist/modules", `${file}.d.ts`)), await names(ours)];
    assert.ok(expected.size > 20, `only ${[...expected]}`);
    assert.deepEqual([...expected].filter((name) => !actual.has(name) && !listed.has(name)), []);
  });

  test(`each value that ${entry} exports is exported, and the thresholds are equal`, async () => {
    const build = file.split("/")[0];
    const theirs = await import(join(THEIRS, "dist", build === "index" ? "web-vitals.js" : "web-vitals.attribution.js"));
    for (const path of [`dist/${build}.js`, "frontend/server.js"]) {
      const client = await import(join(ROOT, "pkg", path));
      for (const [name, value] of Object.entries(theirs)) {
        assert.equal(typeof client[name], typeof value, `${name} in ${path}`);
        if (Array.isArray(value)) assert.deepEqual(client[name], value, name);
      }
    }
  });
}

test("each global type of web-vitals is declared or listed as a difference", async () => {
  const [theirs, ours] = await Promise.all([join(THEIRS, "dist/modules/types.d.ts"), join(ROOT, "pkg/types/globals.d.ts")].map(globals));
  assert.ok(theirs.size > 10, `only ${[...theirs.keys()]}`);
  assert.deepEqual([...theirs.keys()].filter((name) => !ours.has(name) && !listed.has(name)), []);
  for (const [name, fields] of theirs) assert.deepEqual(ours.get(name) ?? fields, fields, name);
});

test("each entry of web-vitals is an entry or listed as a difference", () => {
  const require = createRequire(import.meta.url);
  const [theirs, ours] = [join(THEIRS, "package.json"), join(ROOT, "pkg/package.json")].map((path) => Object.keys(require(path).exports));
  assert.deepEqual(theirs.filter((entry) => !ours.includes(entry) && !listed.has(entry.slice(2))), []);
});

test("the script for any encoding is ASCII", async () => {
  const script = await readFile(join(ROOT, "pkg/dist/iife.js"));
  assert.ok(script.every((byte) => byte < 128));
});

/** The names that a declaration file exports, through its re-exports. @param {string} file @returns {Promise<Set<string>>} */
async function names(file) {
  const text = await readFile(file, "utf8");
  const own = [...text.matchAll(/^export (?:declare )?(?:interface|type|const|function|class) (\w+)/gm)].map(([, name]) => name);
  const listed = [...text.matchAll(/^export (?:type )?\{([^}]*)\}/gm)].flatMap(([, list]) => list.split(",").map((name) => name.trim().split(" as ").at(-1)?.replace(/^type /, "") ?? "").filter(Boolean));
  const others = [...text.matchAll(/^export (?:type )?\* from ["']([^"']+)["']/gm)].map(([, path]) => names(join(dirname(file), path.replace(/\.js$/, ".d.ts"))));
  return new Set([...own, ...listed, ...(await Promise.all(others)).flatMap((all) => [...all])]);
}

/** The names that a declaration file adds to the global scope, with the names of their fields. @param {string} file */
async function globals(file) {
  const [, global = ""] = (await readFile(file, "utf8")).split("declare global {");
  const declared = [...global.matchAll(/^ {2,4}(?:export )?(?:interface|type|var) (\w+)(?:[^{;]*\{([^}]*)\}|)/gm)];
  return new Map(declared.map(([, name, body = ""]) => [name, [...body.matchAll(/^\s+(?:readonly )?(\w+)[?:(<]/gm)].map(([, field]) => field).sort()]));
}

/** The code words in the list of differences. @param {string} page */
function differences(page) {
  const [, section = ""] = page.split("### Differences");
  return new Set([...section.split("\n## ")[0].matchAll(/`([^`]+)`/g)].map(([, word]) => word));
}
