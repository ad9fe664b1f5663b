// The package installed in a project: it configures Lighthouse CI, deploys the Worker with the project's budgets, and
// runs from the command line.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { before, test } from "node:test";

import { directory, ROOT, run } from "../run.mjs";

/** @type {string} */
let project;
before(() => {
  project = directory({ "package.json": JSON.stringify({ name: "@shop/portal", dependencies: { next: "16.0.0" } }) });
  // As npm would install it: what `files` names, and nothing else.
  const home = join(project, "node_modules/edge-vitals");
  const { files } = JSON.parse(readFileSync(join(ROOT, "pkg/package.json"), "utf8"));
  for (const file of ["package.json", ...files]) cpSync(join(ROOT, "pkg", file), join(home, file), { recursive: true });
  mkdirSync(join(project, "node_modules/.bin"));
  symlinkSync("../edge-vitals/cli/edge-vitals.js", join(project, "node_modules/.bin/edge-vitals"));
});

/** @param {string[]} words */
const cli = (...words) => run(project, ["node", join(project, "node_modules/edge-vitals/cli/edge-vitals.js"), ...words]);

/** @param {string} name */
const text = (name) => readFileSync(join(project, name), "utf8");

test("init shows diffs, and with --dry-run writes nothing", async () => {
  const { code, out } = await cli("init", "--origin", "https://portal.example", "--dry-run");
  assert.equal(code, 0);
  for (const name of FILES) {
    assert.ok(out.includes(`--- /dev/null\n+++ b/${name}\n@@ -0,0 +1,`), name);
    assert.ok(!existsSync(join(project, name)), name);
  }
});

test("init writes missing files and overwrites none by default", async () => {
  mkdirSync(join(project, "edge-vitals"));
  const own = '[{ "timings": [{ "metric": "largest-contentful-paint", "budget": 1234 }] }]\n';
  writeFileSync(join(project, "edge-vitals/budgets.json"), own);
  const { code, out } = await cli("init", "--origin", "https://portal.example");
  assert.equal(code, 0);
  assert.equal(text("edge-vitals/budgets.json"), own);
  assert.match(out, /\n-\[\{ "timings": [^]*\n! edge-vitals\/budgets\.json kept; --overwrite replaces it/);
  assert.match(text("edge-vitals/wrangler.toml"), /SITES = \{ "portal" = \{ origins = \["https:\/\/portal\.example"\]/);
  assert.match(text(".github/workflows/vitals.yml"), /site: portal\n/);
  const again = await cli("init", "--origin", "https://portal.example");
  assert.match(again.out, /= edge-vitals\/wrangler\.toml is up to date/);
  assert.match(again.out, /0 files written, 1 kept/);
});

test("the Worker is deployed with the project's own budgets, but not with invalid ones", async () => {
  const deploy = () => run(project, ["wrangler", "deploy", "--config", "edge-vitals/wrangler.toml", "--dry-run", "--env", "production", "--outdir", "out"], { WRANGLER_SEND_METRICS: "false" });
  const { code, out, err } = await deploy();
  assert.equal(code, 0, out + err);
  assert.match(out, /portal-vitals|Durable Object/);
  // Below node_modules, no linter and no type check of the project looks at it.
  assert.equal(text("node_modules/.cache/edge-vitals/assets/v1/budgets.json"), text("edge-vitals/budgets.json"));
  assert.ok(existsSync(join(project, "node_modules/.cache/edge-vitals/assets/v1/client.js")));
  assert.ok(!existsSync(join(project, ".edge-vitals")));
  writeFileSync(join(project, "edge-vitals/budgets.json"), '[{ "timing": [] }]');
  const wrong = await deploy();
  assert.notEqual(wrong.code, 0);
  assert.match(wrong.out + wrong.err, /edge-vitals\/budgets\.json:1:4: \[0\]\.timing: unknown key "timing"; did you mean "timings"\?/);
});

test("init knows the frameworks, and writes the measurement and the server of each", async () => {
  for (const [packages, file, words, step] of FRAMEWORKS) {
    const own = directory({ "package.json": JSON.stringify({ name: "shop", devDependencies: Object.fromEntries(packages.map((name) => [name, "1.0.0"])) }), "tsconfig.json": "{}", "wrangler.jsonc": "{}" });
    mkdirSync(join(own, "src"));
    const { code, out, err } = await run(own, ["node", join(ROOT, "pkg/cli/edge-vitals.js"), "init", "--origin", "https://shop.example"]);
    assert.equal(code, 0, err);
    assert.match(readFileSync(join(own, file), "utf8"), words, file);
    assert.match(out, step, packages[0]);
    assert.match(readFileSync(join(own, "edge-vitals/lighthouserc.cjs"), "utf8"), /^\/\* eslint-disable @typescript-eslint\/no-require-imports/);
    assert.deepEqual([readFileSync(join(own, "wrangler.jsonc"), "utf8"), existsSync(join(own, "wrangler.toml"))], ["{}", false]);
  }
});

test("init of pages without a build prints their script, and writes no configuration for a server that it does not know", async () => {
  const own = directory({ "index.html": "<!doctype html>" });
  const { code, out, err } = await run(own, ["node", join(ROOT, "pkg/cli/edge-vitals.js"), "init", "--site", "pages"]);
  assert.equal(code, 0, err);
  assert.match(out, /<script type="module">\n.*import \{ start \} from "http:\/\/localhost:8787\/v1\/start\.js"/);
  assert.match(out, /List the origins of your pages in production in edge-vitals\/wrangler\.toml/);
  assert.deepEqual(readdirSync(join(own, "edge-vitals")).sort(), ["budgets.json", "wrangler.toml"]);
  assert.doesNotMatch(readFileSync(join(own, "edge-vitals/wrangler.toml"), "utf8"), /localhost/);
});

test("budgets are validated and explained", async () => {
  const check = await cli("budgets", "check");
  assert.equal(check.code, 2);
  assert.match(check.err, /edge-vitals\/budgets\.json:1:4: \[0\]\.timing: unknown key "timing"/);
  rmSync(join(project, "edge-vitals/budgets.json"));
  await cli("init");
  assert.equal((await cli("budgets", "check")).out, "✓ edge-vitals/budgets.json is valid.\n");
  writeFileSync(join(project, "seconds.json"), '[{ "path": "/**", "timings": [\n{ "metric": "largest-contentful-paint", "budget": 2 }] }]');
  assert.equal((await cli("budgets", "check", "seconds.json")).out, "! seconds.json:2: hardly any page meets 2 ms for LCP; limits are in milliseconds, 2000 for two seconds\n✓ seconds.json is valid.\n");
  const explained = JSON.parse((await cli("budgets", "explain", "/cart", "--json")).out);
  assert.deepEqual(explained.field.find((/** @type {any} */ limit) => limit.metric === "LCP"), { metric: "LCP", max: 2000, percentile: 75, severity: "error", minSamples: 30, line: 6 });
  assert.match((await cli("budgets", "explain", "/cart")).out, /total-blocking-time {2,}≤ 240 ms +proxy of INP/);
  assert.match((await cli("budgets", "explain", "/", "--device", "watch")).err, /unknown device "watch"; use one of phone, tablet, desktop/);
  assert.match((await cli("budgets", "explain", "cart")).err, /"cart" is not a path\n {2}start with \/: `edge-vitals budgets explain \/cart`/);
});

test("Lighthouse CI's configuration works with require and import, in every available Node", () => {
  const sentence = `({ budgets: "edge-vitals/budgets.json", urls: ["http://localhost:3000"] }).ci.collect.url[0])`;
  const required = `console.log(require("edge-vitals/lighthouse").lighthouserc${sentence}`;
  const imported = `import { lighthouserc } from "edge-vitals/lighthouse"; console.log(lighthouserc${sentence}`;
  for (const node of nodes()) {
    for (const words of [["--eval", required], ["--input-type=module", "--eval", imported]]) {
      assert.equal(execFileSync(node, words, { cwd: project, encoding: "utf8" }), "http://localhost:3000/\n", node);
    }
  }
  const config = `console.log(require("./edge-vitals/lighthouserc.cjs").ci.collect.startServerCommand)`;
  assert.equal(execFileSync("node", ["--eval", config], { cwd: project, encoding: "utf8" }), "npm run start\n");
});

test("an invalid option of the configuration is an error", () => {
  const given = (/** @type {string} */ options) => {
    const words = ["--eval", `try { require("edge-vitals/lighthouse").lighthouserc(${options}) } catch ({ message }) { console.log(message) }`];
    return execFileSync("node", words, { cwd: project, encoding: "utf8" }).trim();
  };
  const budgets = `budgets: "edge-vitals/budgets.json"`;
  assert.match(given(`{ ${budgets}, url: [] }`), /^lighthouserc has no option "url"; it has budgets, urls,/);
  assert.match(given(`{ ${budgets}, urls: [] }`), /^urls is empty; list at least one page/);
  assert.match(given(`{ ${budgets}, urls: ["/"], }`), /^"\/" is not a page URL/);
  assert.match(given(`{ ${budgets}, urls: ["http://a/"], device: "tablet" }`), /^Lighthouse cannot emulate a tablet/);
  assert.match(given(`{ budgets: "none.json", urls: ["http://a/"] }`), /^none\.json does not exist/);
});

test("what another package does is named where that package is missing", async () => {
  const [dev, deploy] = [await cli("dev"), await cli("deploy")];
  assert.deepEqual([dev.code, deploy.code], [2, 2]);
  assert.match(dev.err, /the npm package workerd, which runs the Worker on this machine, is not installed\n {2}run `npm install --save-dev workerd@latest`/);
  assert.match(deploy.err, /the npm package wrangler, which deploys, is not installed\n {2}run `npm install --save-dev wrangler@latest`/);
});

test("npm packs no checkout in which nothing was built", async () => {
  const checkout = directory();
  for (const file of ["package.json", "prepack.mjs", "README.md"]) cpSync(join(ROOT, "pkg", file), join(checkout, file));
  const { code, out, err } = await run(checkout, ["npm", "pack"]);
  assert.notEqual(code, 0);
  assert.match(out + err, /✗ dist\/index\.js, .* are not built; run `cargo xtask build` in the repository first\./);
  assert.deepEqual(readdirSync(checkout).filter((name) => name.endsWith(".tgz")), []);
});

test("every command has help, and an unknown one is an error", async () => {
  const { out, code } = await cli("--help");
  assert.equal(code, 0);
  const names = [...out.matchAll(/^ {2}(\S+) {2}/gm)].map(([, name]) => name);
  assert.deepEqual(names, ["dev", "init", "deploy", "serve", "worker", "budgets", "verify-lhci", "lab", "gate", "doctor", "tokens", "site"]);
  for (const name of names) {
    const help = await cli(name, "--help");
    assert.match(help.out, new RegExp(`^[A-Z].*\\.\n\n {2}edge-vitals ${name}`));
  }
  const { version } = JSON.parse(readFileSync(join(ROOT, "pkg/package.json"), "utf8"));
  for (const word of ["--version", "-v", "version"]) assert.equal((await cli(word)).out, `${version}\n`);
});

test("a slip in a command, an option or an argument is named with what was meant", async () => {
  /** @type {[string[], string][]} */
  const table = [
    [["gaet"], 'unknown command "gaet"\n  did you mean gate?'],
    [["frobnicate"], 'unknown command "frobnicate"\n  run `edge-vitals help` for a list of commands'],
    [["constructor"], 'unknown command "constructor"\n  run `edge-vitals help` for a list of commands'],
    [["gate", "--realease", "1"], "unknown option --realease of gate\n  did you mean --release?"],
    [["doctor", "--frobnicate"], "unknown option --frobnicate of doctor\n  see `edge-vitals doctor --help`"],
    [["doctor", "https://vitals.example"], 'unexpected argument "https://vitals.example" of doctor\n  see `edge-vitals doctor --help`'],
    [["init", "portal"], 'unexpected argument "portal" of init\n  see `edge-vitals init --help`'],
    [["doctor", "--url"], "Option '--url <value>' argument missing\n  see `edge-vitals doctor --help`"],
    [["dev", "--page", "localhost:3000/a"], '--page "localhost:3000/a" is not an origin\n  use a value such as https://portal.example, without a path'],
  ];
  for (const [words, says] of table) {
    const { code, err } = await cli(...words);
    assert.equal(code, 2, words.join(" "));
    assert.ok(err.endsWith(`✗ ${says}\n`), `${words.join(" ")}\n${err}`);
  }
});

/** The pinned Node, and the machine's own if it is another. */
function nodes() {
  const folders = (process.env.PATH ?? "").split(delimiter).filter((folder) => !folder.includes("node_modules"));
  const own = folders.map((folder) => join(folder, "node")).find((path) => existsSync(path));
  return [process.execPath, ...(own ? [own] : [])];
}

const FILES = ["edge-vitals/wrangler.toml", "edge-vitals/budgets.json", "edge-vitals/lighthouserc.cjs", "instrumentation-client.js", ".github/workflows/vitals.yml"];

/** The packages of a project, its file for the measurement, words in it, and the step that is printed. @type {[string[], string, RegExp, RegExp][]} */
const FRAMEWORKS = [
  [["next", "vite"], "src/instrumentation-client.ts", /register\(\{\n {2}site: "shop"/, /<VitalsRoute overlay \/>/],
  [["vite"], "src/edge-vitals.ts", /start\(\{\n {2}site: "shop"/, /In the first script of your page/],
  [["@sveltejs/kit", "vite"], "src/hooks.client.ts", /edge-vitals\/start/, /hooks\.client\.ts measures your pages/],
  [["nuxt"], "plugins/edge-vitals.client.ts", /defineNuxtPlugin/, /names each by its route/],
  [["astro"], "src/edge-vitals.ts", /edge-vitals\/start/, /In your layout/],
  [["@react-router/dev", "vite"], "app/edge-vitals.ts", /edge-vitals\/start/, /In app\/root/],
];
