// Deploys the Worker of `edge-vitals/wrangler.toml`: looks at the account, says what will change, asks, and then lets
// wrangler do it. The doctor has the last word.
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline/promises";
import { setTimeout as pause } from "node:timers/promises";

import { request } from "./api.js";
import { CliError, errorMessage } from "./cli_error.js";
import { run as doctor } from "./doctor.js";
import { CONFIG, readDeployment } from "./local/deployment.js";
import { readProject } from "./local/framework.js";

export const about = "Deploys the Worker to your Cloudflare account; asks before it changes anything.";

export const help = `
  edge-vitals deploy                    to production
  edge-vitals deploy --env staging
  edge-vitals deploy --yes              asks nothing, as in CI

  --env NAME     the environment in edge-vitals/wrangler.toml (production)
  --site NAME    the site that the doctor checks (the first of SITES)
  --url URL      the Worker's address, if it has a route of your own zone (the one that wrangler prints)
  --yes          deploys without a question

  It makes the secrets READ_TOKEN, MANAGE_TOKEN and CACHE_TOKEN where they are missing, and keeps their values in
  .edge-vitals/tokens.NAME.json, which git ignores. It needs the npm package wrangler.`;

export const options = /** @type {const} */ ({
  env: { type: "string" },
  site: { type: "string" },
  url: { type: "string" },
  yes: { type: "boolean" },
});

/** @param {{ values: any, positionals: string[] }} given */
export async function run({ values }) {
  const environment = values.env ?? "production";
  const settings = readDeployment(environment);
  const site = values.site ?? settings.site;
  const wrangler = findWrangler();
  const accounts = await signedInAccounts(wrangler);
  const existing = await existingSecrets(wrangler, environment);
  const missing = SECRETS.filter((name) => !existing?.includes(name));

  console.log([
    `Account       ${accounts.join(", ") || "the one of CLOUDFLARE_API_TOKEN"}`,
    `Worker        ${settings.name} (${existing ? "exists, and gets a new version" : "new"})`,
    `Site          ${site}, pages of ${settings.origins.join(", ") || "the Worker's own host alone"}`,
    ...(existing ? [] : ["KV namespace  new, for the cache"]),
    `Secrets       ${missing.length ? `new: ${missing.join(", ")}` : "as they are"}`,
    "",
  ].join("\n"));
  if (!values.yes && !(await isConfirmed())) {
    console.log("Nothing was changed.");
    return 2;
  }

  const tokens = storeTokens(environment, missing);
  const words = ["deploy", "--config", CONFIG, "--env", environment, ...(missing.length ? ["--secrets-file", tokens.file] : [])];
  const deployed = await runWrangler(wrangler, words, { isShown: true });
  if (deployed.code !== 0) throw new CliError("wrangler did not deploy; its output is above", "correct what it says, and run the command again");
  const address = values.url ?? /https:\/\/\S+\.workers\.dev\S*/.exec(deployed.out)?.[0];
  if (!address) throw new CliError("wrangler printed no address of the Worker", "pass the address of its route: `npx edge-vitals deploy --url https://vitals.example.com`");
  const url = new URL(address);

  console.log(`\nChecking ${url.origin}:`);
  await untilHealthy(url);
  process.env.READ_TOKEN ??= tokens.values.READ_TOKEN;
  const code = await doctor({ values: { url: url.href, site, origin: settings.origins[0] }, positionals: [] });
  console.log(nextSteps(url, environment, tokens.file, existsSync(tokens.file)));
  return code;
}

/** wrangler's program in the project. */
function findWrangler() {
  try {
    const from = createRequire(resolve("package.json"));
    const manifest = from.resolve("wrangler/package.json");
    return join(dirname(manifest), from(manifest).bin.wrangler);
  } catch {
    throw new CliError("the npm package wrangler, which deploys, is not installed", "run `npm install --save-dev wrangler@latest`");
  }
}

/** @param {string} wrangler */
async function signedInAccounts(wrangler) {
  const { code, out } = await runWrangler(wrangler, ["whoami", "--json"]);
  if (code !== 0) throw new CliError("you are not signed in to Cloudflare", "run `npx wrangler login`, or set CLOUDFLARE_API_TOKEN");
  try {
    return /** @type {{ name: string }[]} */ (JSON.parse(out).accounts ?? []).map(({ name }) => name);
  } catch {
    throw new CliError("wrangler did not say which account it uses", "run `npm install --save-dev wrangler@latest`");
  }
}

/** The names of the Worker's secrets; undefined if there is no such Worker yet. @param {string} wrangler @param {string} environment @returns {Promise<string[] | undefined>} */
async function existingSecrets(wrangler, environment) {
  const { code, out, err } = await runWrangler(wrangler, ["secret", "list", "--config", CONFIG, "--env", environment, "--format", "json"]);
  if (code === 0) return JSON.parse(out).map((/** @type {{ name: string }} */ { name }) => name);
  if (NO_SUCH_WORKER.test(out + err)) return undefined;
  throw new CliError(`wrangler cannot list the Worker's secrets:\n${(out + err).trim()}`, "correct what it says, and run the command again");
}

/** The codes 10007 and 10090 of Cloudflare's API, and wrangler's own words. */
const NO_SUCH_WORKER = /10007|10090|does not exist|not found/i;

async function isConfirmed() {
  if (!process.stdin.isTTY) throw new CliError("nobody can be asked here", "add --yes to deploy without a question");
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return /^y(es)?$/i.test((await terminal.question("Deploy this? [y/N] ")).trim());
  } finally {
    terminal.close();
  }
}

/** Makes the missing tokens, and keeps them beside earlier ones: Cloudflare shows no secret again. @param {string} environment @param {string[]} missing */
function storeTokens(environment, missing) {
  const file = join(".edge-vitals", `tokens.${environment}.json`);
  /** @type {Record<string, string>} */
  const values = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {};
  if (missing.length) {
    for (const name of missing) values[name] ??= randomBytes(24).toString("hex");
    mkdirSync(".edge-vitals", { recursive: true });
    writeFileSync(".edge-vitals/.gitignore", "*\n");
    writeFileSync(file, `${JSON.stringify(values, null, 2)}\n`, { mode: 0o600 });
  }
  return { file, values };
}

/** @param {string} wrangler @param {string[]} words @param {{ isShown?: boolean }} [how] @returns {Promise<{ code: number | null, out: string, err: string }>} */
function runWrangler(wrangler, words, { isShown = false } = {}) {
  const child = spawn(process.execPath, [wrangler, ...words], { stdio: ["inherit", "pipe", "pipe"] });
  let [out, err] = ["", ""];
  child.stdout.on("data", (chunk) => {
    out += chunk;
    if (isShown) process.stdout.write(chunk);
  });
  child.stderr.on("data", (chunk) => {
    err += chunk;
    if (isShown) process.stderr.write(chunk);
  });
  return new Promise((resolve, reject) => {
    child.once("error", (error) => reject(new CliError(`wrangler cannot be started: ${errorMessage(error)}`, "run `npm install --save-dev wrangler@latest`")));
    child.once("close", (code) => resolve({ code, out, err }));
  });
}

/** A new address takes some seconds to be known everywhere. @param {URL} url */
async function untilHealthy(url) {
  for (const until = Date.now() + START_TIMEOUT_MS; ; await pause(PAUSE_MS)) {
    const response = await request(new URL("/api/health", url)).catch(() => undefined);
    await response?.body?.cancel();
    if (response?.ok || Date.now() > until) return;
  }
}

/** @param {URL} url @param {string} environment @param {string} file @param {boolean} hasFile */
function nextSteps(url, environment, file, hasFile) {
  const { id } = readProject().framework;
  const variable = id === "next" ? "NEXT_PUBLIC_VITALS_ENDPOINT" : "VITE_VITALS_ENDPOINT";
  return [
    "",
    `The dashboard is at ${url.origin}/${hasFile ? `, with READ_TOKEN from ${file}` : ""}.`,
    "Where your pages are built, set:",
    `  ${variable}=${url.origin}/v1/vitals`,
    `or let the Worker serve /v1/* of the pages' own host, in [env.${environment}] of ${CONFIG}; then set nothing:`,
    '  routes = [{ pattern = "www.example.com/v1/*", zone_name = "example.com" }]',
    ...(hasFile ? [`In your repository's settings, store READ_TOKEN as a secret, and VITALS_URL=${url.origin} as a variable, for the workflow.`] : []),
  ].join("\n");
}

const SECRETS = ["READ_TOKEN", "MANAGE_TOKEN", "CACHE_TOKEN"];
const START_TIMEOUT_MS = 60_000;
const PAUSE_MS = 1_000;
