// docs/self-hosting.md and docs/troubleshooting.md: wrangler has the commands and options, the package's own commands
// succeed, and every explained message exists in the code.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { beacon, serve } from "../product.mjs";
import { directory, ROOT, run } from "../run.mjs";

const [HOSTING, TROUBLESHOOTING] = ["docs/self-hosting.md", "docs/troubleshooting.md"].map((page) => readFileSync(join(ROOT, page), "utf8"));

/** The commands of a page that call a program. @param {string} page @param {string} program */
const commands = (page, program) => [...page.matchAll(/^```sh\n([^]*?)^```$/gm)].flatMap(([, text]) => text.trim().split("\n")).filter((line) => line.includes(`npx ${program} `));

/** @type {Awaited<ReturnType<typeof serve>>} */
let product;
before(async () => {
  product = await serve({ READ_TOKEN: "token", SITES: { portal: { origins: ["https://portal.example", "https://staging.portal.example"] } } });
  for (const release of ["2027.1.0", "2026.12.3"]) await product.send(beacon({ site: "portal", release }));
});
after(() => product.close());

test("wrangler has each command and its options", async () => {
  const lines = [...commands(HOSTING, "wrangler"), ...HOSTING.matchAll(/`(npx wrangler [^`]+)`/g)].map((found) => (typeof found === "string" ? found : found[1]));
  assert.ok(lines.length >= 12, lines.join("\n"));
  /** @type {Map<string, Set<string>>} */
  const used = new Map();
  for (const line of lines) {
    const words = line.split("npx wrangler ")[1].split(" ");
    const end = words.findIndex((word) => !/^[a-z]+$/.test(word));
    const name = words.slice(0, end < 0 ? undefined : end).join(" ");
    const options = used.get(name) ?? new Set();
    for (const word of words) if (word.startsWith("--")) options.add(word);
    used.set(name, options);
  }
  await Promise.all(
    [...used].map(async ([name, options]) => {
      const { code, out } = await run(ROOT, ["wrangler", ...name.split(" "), "--help"]);
      assert.equal(code, 0, name);
      for (const option of options) assert.match(out, new RegExp(`^\\s.*${option}\\b`, "m"), `${name} ${option}`);
    }),
  );
});

test("the package's own commands succeed as documented", async () => {
  const lines = [HOSTING, TROUBLESHOOTING].flatMap((page) => commands(page, "edge-vitals"));
  // tests/package/deploy.test.mjs and serve.test.mjs run the others.
  const called = lines.filter((line) => /edge-vitals (doctor|gate) /.test(line));
  assert.deepEqual([called.length, lines.length], [3, 5], lines.join("\n"));
  for (const line of called) {
    const script = `npx() { "$@"; }\n${line.replace(/https:\/\/(staging-)?vitals\.example\.com/, product.origin)}`;
    const { code, out, err } = await run(directory(), ["bash", "-euo", "pipefail", "-c", script], { READ_TOKEN: "token" });
    assert.equal(code, 0, `${line}\n${out}${err}`);
  }
});

test("each explained message exists in the code", () => {
  const rows = TROUBLESHOOTING.split("## Messages of the doctor")[1].split("## No visits")[0].matchAll(/^\| `([^`]+)`/gm);
  const said = [...rows, ...TROUBLESHOOTING.split("## Deploying")[1].matchAll(/`((?:SITES|SHARDS) [^`]+)`/g)].map(([, text]) => text);
  assert.ok(said.length >= 11, said.join("\n"));
  const sources = ["pkg/cli", "worker/src", "crates/wire/src"].flatMap((folder) => readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" }).filter((file) => /\.(js|rs)$/.test(file)).map((file) => readFileSync(join(ROOT, folder, file), "utf8")));
  for (const text of said) assert.ok(sources.some((source) => source.includes(text)), `no source contains "${text}"`);
});
