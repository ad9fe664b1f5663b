// `edge-vitals deploy` against a scripted wrangler: what it calls and with what, what it asks before, and what it leaves
// alone. The deployed Worker is a real one.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";

import { directory, ROOT, run } from "../run.mjs";

const CLI = join(ROOT, "pkg/cli/edge-vitals.js");
const READ_TOKEN = "the token of an earlier run";
/** Answers as the variables say, and notes its words and the secrets that it is given. */
const WRANGLER = `
const { appendFileSync, readFileSync } = require("node:fs");
const words = process.argv.slice(2);
const secrets = words.includes("--secrets-file") ? JSON.parse(readFileSync(words[words.indexOf("--secrets-file") + 1], "utf8")) : undefined;
appendFileSync("calls.ndjson", JSON.stringify({ words, secrets }) + "\\n");
const [out = "", code = 0] = JSON.parse(process.env.WRANGLER)[words[0] === "secret" ? "secret list" : words[0]] ?? [];
process.stdout.write(out);
process.exitCode = code;
`;
const SIGNED_IN = { whoami: ['{"accounts":[{"name":"The team"}]}'] };
const NEW = { ...SIGNED_IN, "secret list": ['This Worker does not exist on your account. [code: 10007]\n', 1], deploy: ["Deployed\n  https://portal-vitals-production.team.workers.dev\n"] };

/** @type {string} */
let worker;
/** @type {import("node:child_process").ChildProcess} */
let server;
before(async () => {
  server = spawn(process.execPath, [CLI, "serve", "--data", directory(), "--site", "portal", "--page", "https://portal.example", "--port", "0"], { env: { ...process.env, READ_TOKEN }, stdio: ["ignore", "pipe", "inherit"] });
  worker = await new Promise((resolve) => server.stdout?.on("data", (chunk) => /:(\d+), with/.test(String(chunk)) && resolve(`http://127.0.0.1:${/:(\d+), with/.exec(String(chunk))?.[1]}`)));
});
after(() => void server.kill("SIGTERM"));

/** @type {string} */
let project;
beforeEach(async () => {
  project = directory({ "package.json": '{ "name": "portal", "dependencies": { "next": "16.0.0" } }' });
  mkdirSync(join(project, "node_modules/wrangler"), { recursive: true });
  writeFileSync(join(project, "node_modules/wrangler/package.json"), '{ "name": "wrangler", "bin": { "wrangler": "wrangler.cjs" } }');
  writeFileSync(join(project, "node_modules/wrangler/wrangler.cjs"), WRANGLER);
  const { code, err } = await run(project, ["node", CLI, "init", "--origin", "https://portal.example"]);
  assert.equal(code, 0, err);
});

/** @param {Record<string, unknown[]>} answers @param {string[]} words */
const deploy = (answers, ...words) => run(project, ["node", CLI, "deploy", ...words], { WRANGLER: JSON.stringify(answers) });
const calls = () => (existsSync(join(project, "calls.ndjson")) ? readFileSync(join(project, "calls.ndjson"), "utf8").trim().split("\n").map((line) => JSON.parse(line)) : []);
const tokens = () => join(project, ".edge-vitals/tokens.production.json");

test("a first deployment names what it makes, makes the secrets, is checked by the doctor, and says what to set", async () => {
  mkdirSync(join(project, ".edge-vitals"));
  writeFileSync(tokens(), JSON.stringify({ READ_TOKEN }));
  const { code, out, err } = await deploy(NEW, "--yes", "--url", worker);
  assert.equal(code, 0, out + err);
  for (const line of ["Account       The team", "Worker        portal-vitals-production (new)", "Site          portal, pages of https://portal.example", "KV namespace  new", "new: READ_TOKEN, MANAGE_TOKEN, CACHE_TOKEN"]) assert.ok(out.includes(line), `${line}\n${out}`);
  assert.match(out, /✓ pages of https:\/\/portal\.example may send beacons[^]*✓ the test beacon was counted/);
  assert.ok(out.includes(`NEXT_PUBLIC_VITALS_ENDPOINT=${worker}/v1/vitals`));
  const [, , deployed, ...rest] = calls();
  assert.deepEqual(deployed.words, ["deploy", "--config", "edge-vitals/wrangler.toml", "--env", "production", "--secrets-file", ".edge-vitals/tokens.production.json"]);
  assert.deepEqual([Object.keys(deployed.secrets), deployed.secrets.READ_TOKEN, rest], [["READ_TOKEN", "MANAGE_TOKEN", "CACHE_TOKEN"], READ_TOKEN, []]);
  assert.ok(deployed.secrets.MANAGE_TOKEN.length >= 32 && deployed.secrets.MANAGE_TOKEN !== deployed.secrets.CACHE_TOKEN);
  assert.ok(!out.includes(deployed.secrets.MANAGE_TOKEN), "no secret is printed");
  assert.equal(readFileSync(join(project, ".edge-vitals/.gitignore"), "utf8"), "*\n");
});

test("without a yes nothing is changed", async () => {
  const { code, out, err } = await deploy(NEW);
  assert.deepEqual([code, calls().map(({ words }) => words[0])], [2, ["whoami", "secret"]], out + err);
  assert.match(err, /nobody can be asked here\n {2}add --yes/);
  assert.ok(!existsSync(tokens()));
});

test("a later deployment leaves secrets as they are", async () => {
  const existing = { ...NEW, "secret list": [JSON.stringify(["READ_TOKEN", "MANAGE_TOKEN", "CACHE_TOKEN"].map((name) => ({ name, type: "secret_text" })))] };
  const { code, out, err } = await run(project, ["node", CLI, "deploy", "--yes", "--url", worker], { WRANGLER: JSON.stringify(existing), READ_TOKEN });
  assert.equal(code, 0, out + err);
  assert.match(out, /\(exists, and gets a new version\)[^]*Secrets {7}as they are/);
  assert.deepEqual(calls().at(-1).words, ["deploy", "--config", "edge-vitals/wrangler.toml", "--env", "production"]);
  assert.ok(!existsSync(tokens()));
});

test("made secrets are readable by their owner alone", async () => {
  await deploy({ ...NEW, deploy: ["no", 1] }, "--yes");
  assert.equal(statSync(tokens()).mode & 0o777, 0o600);
});

test("what stands in the way is said with a remedy", async () => {
  /** @type {[Record<string, unknown[]>, string[], RegExp][]} */
  const table = [
    [{ whoami: ["", 1] }, [], /you are not signed in to Cloudflare\n {2}run `npx wrangler login`/],
    [SIGNED_IN, ["--env", "preview"], /edge-vitals\/wrangler\.toml has no environment preview\n {2}it has staging, production/],
    [{ ...SIGNED_IN, "secret list": ["Authentication error [code: 10000]", 1] }, ["--yes"], /wrangler cannot list the Worker's secrets:\nAuthentication error/],
    [{ ...NEW, deploy: ["quota", 1] }, ["--yes"], /wrangler did not deploy; its output is above/],
    [{ ...NEW, deploy: ["Deployed to a route"] }, ["--yes"], /wrangler printed no address of the Worker\n {2}pass the address of its route/],
  ];
  for (const [answers, words, says] of table) {
    const { code, err } = await deploy(answers, ...words);
    assert.equal(code, 2, err);
    assert.match(err, says);
  }
  const elsewhere = directory({ "package.json": "{}" });
  assert.match((await run(elsewhere, ["node", CLI, "deploy"])).err, /edge-vitals\/wrangler\.toml does not exist\n {2}run `npx edge-vitals init` first/);
});
