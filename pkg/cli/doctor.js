// Checks a deployment from outside, end to end: a test beacon is sent and must be counted. It is marked as a
// bot's, so it does not affect the data of real visitors.
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";

import { endpoint, getJson, parseWorkerUrl, request, responseError } from "./api.js";
import { CliError } from "./cli_error.js";
import { readBudgets } from "./files.js";
import { integer, metricValue } from "./report/format.js";

export const about = "Checks a deployment: sends a test beacon, verifies that it is counted, and reports configuration errors.";

export const help = `
  edge-vitals doctor --url https://vitals.example.com --site portal --origin https://portal.example

  --url URL        the Worker (required)
  --site NAME      the site (the first by name)
  --origin URL     the origin of your pages: checks that they may send beacons
  --budgets FILE   compared with the limits in force at the edge (lighthouse/budgets.json)

  The test beacon is marked as a bot's and does not affect the data of real visitors.
  Exit codes: 0 the deployment works, 2 it does not. Set READ_TOKEN for a site that is not public.`;

export const options = /** @type {const} */ ({
  url: { type: "string" },
  site: { type: "string" },
  origin: { type: "string" },
  budgets: { type: "string" },
});

/** @param {{ values: any, positionals: string[] }} given */
export async function run({ values }) {
  const url = parseWorkerUrl(values.url);
  const file = values.budgets ?? (existsSync(BUDGETS) ? BUDGETS : undefined);
  const budgets = file ? readBudgets(file) : undefined;
  const health = await getJson(url, "/api/health");
  check(health.status === "pass", `the Worker at ${url.origin} is healthy`, `the Worker at ${url.origin} is not healthy`);
  await checkClient(url);
  const before = await botViews(url, values.site);
  const site = before.site;
  if (values.origin) await checkOrigin(url, values.origin);
  await sendBeacon(url, site, values.origin);
  const after = await botViews(url, site);
  check(after.views > before.views, `the test beacon was counted: ${integer(after.views)} bot views on ${ROUTE}`, `the test beacon was stored, but is not counted on ${ROUTE}`);

  const report = await getJson(url, "/api/budgets", { site });
  const warnings = [...budgetWarnings(report), ...viewWarnings(report), ...(budgets ? limitWarnings(budgets.gate(report, []), file) : [])];
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
  const { site: name, views } = await getJson(url, "/api/vitals/summary", { site, bots: "only", route: ROUTE });
  return { site: /** @type {string} */ (name), views: /** @type {number} */ (views) };
}

/** Sends the CORS preflight of a beacon. @param {URL} url @param {string} origin */
async function checkOrigin(url, origin) {
  const response = await request(endpoint(url, "/v1/vitals"), { method: "OPTIONS", headers: { origin, "access-control-request-method": "POST" } });
  const allowed = response.headers.get("access-control-allow-origin");
  if (origin !== url.origin && allowed !== origin && allowed !== "*") {
    throw new CliError(`pages of ${origin} may not send beacons`, "add the origin to `origins` of the site in SITES (wrangler.toml), and deploy");
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

/** @param {import("./documents.js").GateReport} report @param {string} file */
function limitWarnings({ rows }, file) {
  const differing = rows.filter(({ countedAgainst }) => countedAgainst !== null);
  const lines = [...new Set(differing.map(({ line, metric, max, countedAgainst }) => `${file}:${line} allows ${metric} ${metricValue(metric, max)}, but the edge uses ${metricValue(metric, countedAgainst)}: deploy the file`))];
  if (!lines.length) console.log(`✓ the edge uses the limits of ${file}`);
  return lines;
}

const ROUTE = "/edge-vitals-doctor";
const BUDGETS = "lighthouse/budgets.json";
