// Asking a Worker: one place that knows how it refuses, and what a person can do about that.
import { reason, Trouble } from "./trouble.js";

/** A Worker that did not answer, or not now: it may do so later. */
export class Silent extends Trouble {}

/**
 * The JSON at a path. The site's read token comes from READ_TOKEN, so that no shell history holds it.
 * @param {URL} base @param {string} path @param {Record<string, string | undefined>} [query]
 * @returns {Promise<any>}
 */
export async function ask(base, path, query = {}) {
  const address = at(base, path);
  for (const [name, value] of Object.entries(query)) if (value !== undefined) address.searchParams.set(name, value);
  const answer = await fetched(address, { headers: { accept: "application/json", ...authorization() } });
  if (!answer.ok) throw refusal(address, answer.status, await answer.text());
  const text = await answer.text();
  try {
    return JSON.parse(text);
  } catch {
    throw new Trouble(`${address.href} answers something that is not JSON`, "is --url the address of an edge-vitals Worker?");
  }
}

/**
 * Hands a document over. What changes something needs MANAGE_TOKEN.
 * @param {URL} base @param {string} path @param {Record<string, string | undefined>} query @param {unknown} body
 */
export async function send(base, path, query, body) {
  const token = process.env.MANAGE_TOKEN;
  if (!token) throw new Trouble("MANAGE_TOKEN is not set", "set it to the Worker's secret of that name: `npx wrangler secret put MANAGE_TOKEN`");
  const address = at(base, path);
  for (const [name, value] of Object.entries(query)) if (value !== undefined) address.searchParams.set(name, value);
  const answer = await fetched(address, { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json", authorization: `Bearer ${token}` } });
  if (answer.status === 401) throw new Trouble(`${address.pathname} of ${address.host} does not take MANAGE_TOKEN`, "is it the Worker's secret of that name?");
  if (!answer.ok) throw refusal(address, answer.status, await answer.text());
}

/** A path of the Worker, which may itself live below a path. @param {URL} base @param {string} path */
export function at(base, path) {
  return new URL(`${base.pathname.replace(/\/$/, "")}${path}`, base);
}

/** @param {string | undefined} text */
export function workerAt(text) {
  if (!text) throw new Trouble("--url is missing", "give the Worker's address, such as --url https://vitals.example.com");
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw new Trouble(`"${text}" is no address`, "give the Worker's address, such as --url https://vitals.example.com");
  }
  return url;
}

/** @param {URL} address @param {RequestInit} [how] */
export async function fetched(address, how) {
  try {
    return await fetch(address, { ...how, signal: AbortSignal.timeout(30_000), redirect: "follow" });
  } catch (error) {
    throw new Silent(`${address.origin} does not answer: ${reason(error)}`, "is the address right, and is the Worker deployed there?");
  }
}

/** What a refusal means to who asked. @param {URL} address @param {number} status @param {string} body */
export function refusal(address, status, body) {
  const says = detail(body);
  const what = `${address.pathname} of ${address.host} answers ${status}${says && `: ${says}`}`;
  if (status === 429 || status >= 500) return new Silent(what, "try again; if it stays so, `npx wrangler tail` shows the Worker's log");
  const next = NEXT.get(status) ?? "the message above says what would be right";
  return new Trouble(what, status === 401 && process.env.READ_TOKEN ? "READ_TOKEN is set, and is not the site's token" : next);
}

/** @param {string} body */
function detail(body) {
  try {
    return String(JSON.parse(body).detail ?? "");
  } catch {
    return "";
  }
}

/** @returns {Record<string, string>} */
function authorization() {
  const token = process.env.READ_TOKEN;
  return token ? { authorization: `Bearer ${token}` } : {};
}

const NEXT = new Map([
  [401, "the site is not public: set READ_TOKEN to the Worker's secret of that name"],
  [403, "add the origin to the site's list in SITES of wrangler.toml, and deploy"],
  [404, "is --url the address of an edge-vitals Worker, and --site one of SITES in wrangler.toml?"],
]);
