// Whether a deployment works, from outside and end to end: a test beacon is sent and must arrive. It
// says that a program sent it (`bot`), so it is counted apart from people and changes no number of theirs.
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";

import { ask, at, fetched, refusal, workerAt } from "./ask.js";
import { budgetsIn } from "./files.js";
import { measured, whole } from "./report/words.js";
import { Trouble } from "./trouble.js";

export const about = "Sends a test beacon to the Worker, shows it arriving, and names what is misconfigured.";

export const help = `
  edge-vitals doctor --url https://vitals.example.com --site portal --origin https://portal.example

  --url URL        the Worker (needed)
  --site NAME      the site; the first by name where it is left out
  --origin URL     the origin of your pages: asks whether they may send
  --budgets FILE   held against the limits in force at the edge (lighthouse/budgets.json)

  The test beacon says that a program sent it, so that it is counted apart from people.
  Exit codes: 0 all works, 2 something does not. READ_TOKEN opens a site that is not public.`;

export const options = /** @type {const} */ ({
  url: { type: "string" },
  site: { type: "string" },
  origin: { type: "string" },
  budgets: { type: "string" },
});

/** @param {{ values: any, positionals: string[] }} given */
export async function run({ values }) {
  const url = workerAt(values.url);
  const file = values.budgets ?? (existsSync(BUDGETS) ? BUDGETS : undefined);
  const budgets = file ? budgetsIn(file) : undefined;
  const health = await ask(url, "/api/health");
  said(health.status === "pass", `the Worker answers at ${url.origin}`);
  await client(url);
  const before = await counted(url, values.site);
  const site = before.site;
  if (values.origin) await admitted(url, values.origin);
  await sent(url, site, values.origin);
  const after = await counted(url, site);
  said(after.views > before.views, `the test beacon arrived: programs were counted ${whole(after.views)} times on ${ROUTE}, people not once`);

  const standing = await ask(url, "/api/budgets", { site });
  const concerns = [...rules(standing), ...visits(standing), ...(budgets ? limits(budgets.gate(standing, []), file) : [])];
  for (const concern of concerns) console.log(`! ${concern}`);
  console.log(concerns.length ? `\nBeacons arrive; ${concerns.length === 1 ? "one thing" : `${concerns.length} things`} to look at.` : "\nAll works.");
  return 0;
}

/** @param {boolean} isSo @param {string} what */
function said(isSo, what) {
  if (!isSo) throw new Trouble(`it is not so that ${what}`, "`npx wrangler tail` shows the Worker's log");
  console.log(`✓ ${what}`);
}

/** @param {URL} url */
async function client(url) {
  const address = at(url, "/v1/client.js");
  const answer = await fetched(address);
  const type = answer.headers.get("content-type") ?? "nothing";
  await answer.body?.cancel();
  if (!answer.ok || !type.includes("javascript")) {
    throw new Trouble(`${address.href} answers ${answer.status} with ${type}`, "deploy with the assets: `[assets] directory` in wrangler.toml is where the client lies");
  }
  console.log("✓ pages get the client from /v1/client.js");
}

/** What was counted of programs, of us. @param {URL} url @param {string | undefined} site */
async function counted(url, site) {
  const { site: name, views } = await ask(url, "/api/vitals/summary", { site, bots: "only", route: ROUTE });
  return { site: /** @type {string} */ (name), views: /** @type {number} */ (views) };
}

/** Asks as a browser asks before it sends. @param {URL} url @param {string} origin */
async function admitted(url, origin) {
  const answer = await fetched(at(url, "/v1/vitals"), { method: "OPTIONS", headers: { origin, "access-control-request-method": "POST" } });
  const allowed = answer.headers.get("access-control-allow-origin");
  if (origin !== url.origin && allowed !== origin && allowed !== "*") {
    throw new Trouble(`pages of ${origin} may not send`, "add the origin to the site's `origins` in SITES of wrangler.toml, and deploy");
  }
  console.log(`✓ pages of ${origin} may send`);
}

/** @param {URL} url @param {string} site @param {string | undefined} origin */
async function sent(url, site, origin) {
  const address = at(url, "/v1/vitals");
  const id = randomBytes(12).toString("hex");
  const beacon = { v: 1, site, id, view: 0, seq: 0, nav: "navigate", path: ROUTE, route: ROUTE, age: 1, m: { LCP: 1 }, bot: 1 };
  const answer = await fetched(address, {
    method: "POST",
    body: JSON.stringify(beacon),
    headers: { "content-type": "text/plain", ...(origin ? { origin } : {}) },
  });
  if (!answer.ok) throw refusal(address, answer.status, await answer.text());
  await answer.body?.cancel();
  console.log(`✓ a test beacon for ${site} is stored`);
}

/** @param {any} standing */
function rules({ budgets }) {
  const since = new Date(budgets.since).toISOString().slice(0, 16).replace("T", " ");
  console.log(`✓ budgets.json rules at the edge since ${since} UTC`);
  return budgets.refused ? [`a newer budgets.json does not rule: ${budgets.refused.why}`] : [];
}

/** @param {any} standing */
function visits({ views }) {
  if (!views) return ["no visit of a person was counted in the last day: do your pages load the client, and with this endpoint and site?"];
  console.log(`✓ ${whole(views)} views of people were counted in the last day`);
  return [];
}

/** @param {import("./documents.js").GateReport} report @param {string} file */
function limits({ rows }, file) {
  const others = rows.filter(({ countedAgainst }) => countedAgainst !== null);
  const lines = [...new Set(others.map(({ line, metric, max, countedAgainst }) => `${file}:${line} allows ${metric} ${measured(metric, max)}; the edge judges by ${measured(metric, countedAgainst)}`))];
  if (!lines.length) console.log(`✓ the edge judges by the limits of ${file}`);
  return lines;
}

const ROUTE = "/edge-vitals-doctor";
const BUDGETS = "lighthouse/budgets.json";
