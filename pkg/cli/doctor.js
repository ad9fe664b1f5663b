// Checks a deployment from outside, end to end: a test beacon is sent and must be counted. It is marked as a
// bot's, so it does not affect the data of real visitors.
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";

import { endpoint, getJson, parseWorkerUrl, request, responseError } from "./api.js";
import { CliError } from "./cli_error.js";
import { budgetsFile, readBudgets, readJson } from "./files.js";
import { parseOrigin } from "./parameters.js";
import { integer, metricValue } from "./report/format.js";
import { weakPoints } from "./security.js";
import { readTable } from "./tokens.js";

export const about = "Checks a deployment: sends a test beacon, verifies that it is counted, and reports configuration errors.";

export const help = `
  edge-vitals doctor --url https://vitals.example.com --site portal --origin https://portal.example

  --url URL        the Worker (required)
  --site NAME      the site (the first by name)
  --origin URL     the origin of your pages: checks that they may send beacons
  --budgets FILE   compared with the limits in force at the edge (edge-vitals/budgets.json)
  --security       lists the weak points of the deployment instead; with
    --tokens FILE    also of its tokens (access-tokens.json, if there is one)
    --edge FILE      also of the routes in EDGE, as a file of JSON
    --sites FILE     also of SITES, as a file of JSON

  The test beacon is marked as a bot's and does not affect the data of real visitors.
  Exit codes: 0 the deployment works, 1 it has a weak point (--security), 2 it does not work. Set READ_TOKEN for a site that is not public.`;

export const options = /** @type {const} */ ({
  url: { type: "string" },
  site: { type: "string" },
  origin: { type: "string" },
  budgets: { type: "string" },
  security: { type: "boolean" },
  tokens: { type: "string" },
  edge: { type: "string" },
  sites: { type: "string" },
});

/** @param {{ values: any, positionals: string[] }} given */
export async function run({ values }) {
  const url = parseWorkerUrl(values.url);
  const origin = values.origin && parseOrigin("--origin", values.origin);
  if (values.security) return reportWeakPoints(url, values);
  const file = values.budgets ?? (existsSync(budgetsFile()) ? budgetsFile() : undefined);
  const budgets = file ? readBudgets(file) : undefined;
  const health = await getJson(url, "/api/health");
  check(health.status === "pass", `the Worker at ${url.origin} is healthy`, `the Worker at ${url.origin} is not healthy`);
  await checkClient(url);
  const before = await botViews(url, values.site);
  const site = before.site;
  if (origin) await checkOrigin(url, site, origin);
  await sendBeacon(url, site, origin);
  const after = await laterBotViews(url, site, before.views);
  check(after.views > before.views, `the test beacon was counted: ${integer(after.views)} bot views on ${ROUTE}`, `the test beacon was stored, but is not counted on ${ROUTE}`);

  const report = await getJson(url, "/api/budgets", { site });
  const warnings = [...budgetWarnings(report), ...viewWarnings(report), ...originWarnings(after.refused, site), ...(budgets ? limitWarnings(budgets.gate(report, []), file) : [])];
  for (const warning of warnings) console.log(`! ${warning}`);
  console.log(warnings.length ? `\nBeacons are counted; ${warnings.length === 1 ? "1 warning" : `${warnings.length} warnings`}.` : "\nAll checks passed.");
  return 0;
}

/** @param {boolean} isPassed @param {string} success @param {string} failure */
function check(isPassed, success, failure) {
  if (!isPassed) throw new CliError(failure, "read the Worker's log with `npx wrangler tail`");
  console.log(`✓ ${success}`);
}

/** @param {URL} url */
async function checkClient(url) {
  const address = endpoint(url, "/v1/client.js");
  const response = await request(address);
  const type = response.headers.get("content-type") ?? "nothing";
  await response.body?.cancel();
  if (!response.ok || !type.includes("javascript")) {
    throw new CliError(`${address.href} returned ${response.status} with content type ${type}`, "deploy the Worker with its assets: check `[assets] directory` in wrangler.toml");
  }
  console.log("✓ the client is served at /v1/client.js");
}

/** The bot views of the doctor's route. @param {URL} url @param {string | undefined} site */
async function botViews(url, site) {
  const { site: name, views, refused } = await getJson(url, "/api/vitals/summary", { site, bots: "only", route: ROUTE });
  return { site: /** @type {string} */ (name), views: /** @type {number} */ (views), refused: /** @type {Record<string, number>} */ (refused) };
}

/** The bot views once there are more; answers of public sites are shared for a few seconds. @param {URL} url @param {string} site @param {number} before */
async function laterBotViews(url, site, before) {
  for (const until = Date.now() + MAX_WAIT_MS; ; await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))) {
    const after = await botViews(url, site);
    if (after.views > before || Date.now() > until) return after;
  }
}

/** @param {URL} url @param {any} values */
async function reportWeakPoints(url, values) {
  const probe = await probeAccess(url, values.site);
  const tokensFile = values.tokens ?? (existsSync(TOKENS) ? TOKENS : undefined);
  const findings = {
    probe,
    tokens: tokensFile && readTable(tokensFile),
    routes: values.edge && readJson(values.edge, "pass the text of EDGE as a file").routes,
    sites: values.sites && readJson(values.sites, "pass SITES as a file of JSON"),
    secrets: Object.fromEntries(["READ_TOKEN", "MANAGE_TOKEN", "CACHE_TOKEN"].map((name) => [name, process.env[name]])),
  };
  const points = weakPoints(findings, Date.now());
  for (const { level, about, remedy } of points) console.log(`${level === "weak" ? "✗" : "!"} ${about}\n  ${remedy}`);
  const weak = points.filter(({ level }) => level === "weak").length;
  const unseen = [["tokens", "--tokens"], ["routes", "--edge"], ["sites", "--sites"]].filter(([name]) => !findings[/** @type {"tokens"} */ (name)]).map(([, option]) => option);
  if (unseen.length) console.log(`Not looked at without ${unseen.join(", ")}.`);
  console.log(weak ? `\n${weak === 1 ? "1 weak point" : `${weak} weak points`}.` : "\nNo weak point found.");
  return weak ? 1 : 0;
}

/** Asks without a token, and changes nothing. @param {URL} url @param {string | undefined} site */
async function probeAccess(url, site) {
  /** @param {string} path @param {Record<string, string | undefined>} [query] */
  const status = async (path, query = {}) => {
    const address = endpoint(url, path);
    for (const [name, value] of Object.entries(query)) if (value !== undefined) address.searchParams.set(name, value);
    const response = await request(address);
    await response.body?.cancel();
    return response.status;
  };
  const openManage = [];
  for (const path of ["/api/alerts", "/api/push", "/api/audit", "/api/cache/analytics"]) if ((await status(path, { site })) === 200) openManage.push(path);
  const preflight = await request(endpoint(url, "/v1/vitals"), { method: "OPTIONS", headers: { origin: "https://doctor.invalid", "access-control-request-method": "POST" } });
  return {
    site: site ?? "the first site",
    url: url.href,
    isPublic: (await status("/api/vitals/summary", { site })) === 200,
    hasReadToken: Boolean(process.env.READ_TOKEN),
    openManage,
    unknownSiteAnswer: await status("/api/vitals/summary", { site: `doctor-${randomBytes(6).toString("hex")}` }),
    foreignOriginAllowed: preflight.headers.get("access-control-allow-origin") === "https://doctor.invalid",
  };
}

/** Sends the CORS preflight of a beacon. @param {URL} url @param {string} site @param {string} origin */
async function checkOrigin(url, site, origin) {
  const response = await request(endpoint(url, "/v1/vitals"), { method: "OPTIONS", headers: { origin, "access-control-request-method": "POST" } });
  const allowed = response.headers.get("access-control-allow-origin");
  if (origin !== url.origin && allowed !== origin && allowed !== "*") {
    throw new CliError(`pages of ${origin} may not send beacons`, `add "${origin}" to \`origins\` of ${site} in SITES (edge-vitals/wrangler.toml), and deploy; on your machine, run \`edge-vitals dev --page ${origin}\``);
  }
  console.log(`✓ pages of ${origin} may send beacons`);
}

/** @param {URL} url @param {string} site @param {string | undefined} origin */
async function sendBeacon(url, site, origin) {
  const address = endpoint(url, "/v1/vitals");
  const id = randomBytes(12).toString("hex");
  const beacon = { v: 1, site, id, view: 0, seq: 0, nav: "navigate", path: ROUTE, route: ROUTE, age: 1, m: { LCP: 1 }, bot: 1 };
  const response = await request(address, {
    method: "POST",
    body: JSON.stringify(beacon),
    headers: { "content-type": "text/plain", ...(origin ? { origin } : {}) },
  });
  if (!response.ok) throw responseError(address, response.status, await response.text());
  await response.body?.cancel();
  console.log(`✓ a test beacon for ${site} was stored`);
}

/** @param {any} report */
function budgetWarnings({ budgets }) {
  const since = new Date(budgets.since).toISOString().slice(0, 16).replace("T", " ");
  console.log(`✓ budgets.json is in force at the edge since ${since} UTC`);
  return budgets.refused ? [`a newer budgets.json was rejected: ${budgets.refused.why}`] : [];
}

/** @param {any} report */
function viewWarnings({ views }) {
  if (!views) return ["no views of real visitors in the last day: check that your pages load the client, with this endpoint and site"];
  console.log(`✓ ${integer(views)} views of real visitors in the last day`);
  return [];
}

/** @param {Record<string, number>} refused @param {string} site */
function originWarnings(refused, site) {
  const number = refused["foreign-origin"] ?? 0;
  if (!number) return [];
  return [`${number === 1 ? "1 beacon of another origin was" : `${integer(number)} beacons of other origins were`} refused in the last day: if they are of your pages, add their origin to \`origins\` of ${site} in SITES; the response of a refused beacon names it`];
}

/** @param {import("./documents.js").GateReport} report @param {string} file */
function limitWarnings({ rows }, file) {
  const differing = rows.filter(({ countedAgainst }) => countedAgainst !== null);
  const lines = [...new Set(differing.map(({ line, metric, max, countedAgainst }) => `${file}:${line} allows ${metric} ${metricValue(metric, max)}, but the edge uses ${metricValue(metric, countedAgainst)}: deploy the file`))];
  if (!lines.length) console.log(`✓ the edge uses the limits of ${file}`);
  return lines;
}

const ROUTE = "/edge-vitals-doctor";
const TOKENS = "access-tokens.json";
const MAX_WAIT_MS = 10_000;
const PAUSE_MS = 1_000;
