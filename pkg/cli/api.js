// Requests to the Worker, and the remedies for its errors.
import { CliError, errorMessage } from "./cli_error.js";

/** A temporary failure: no response, or one that asks to retry. */
export class TemporaryError extends CliError {}

/**
 * Gets the JSON of a path. The read token is taken from READ_TOKEN, which keeps it out of the shell history.
 * @param {URL} base @param {string} path @param {Record<string, string | undefined>} [query]
 * @returns {Promise<any>}
 */
export async function getJson(base, path, query = {}) {
  const address = endpoint(base, path);
  for (const [name, value] of Object.entries(query)) if (value !== undefined) address.searchParams.set(name, value);
  const response = await request(address, { headers: { accept: "application/json", ...authorization() } });
  if (!response.ok) throw responseError(address, response.status, await response.text());
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    throw new CliError(`${address.href} returned a response that is not JSON`, "check that --url is the address of an edge-vitals Worker");
  }
}

/**
 * Posts a document, which requires MANAGE_TOKEN.
 * @param {URL} base @param {string} path @param {Record<string, string | undefined>} query @param {unknown} body
 */
export async function postJson(base, path, query, body) {
  const token = manageToken();
  const address = endpoint(base, path);
  for (const [name, value] of Object.entries(query)) if (value !== undefined) address.searchParams.set(name, value);
  const response = await request(address, { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json", authorization: `Bearer ${token}` } });
  if (response.status === 401) throw new CliError(`${address.host} rejected MANAGE_TOKEN for ${address.pathname}`, "set it to the Worker's secret of that name");
  if (!response.ok) throw responseError(address, response.status, await response.text());
}

/**
 * Makes a call of an operator, which requires MANAGE_TOKEN. Returns the text of the response.
 * @param {URL} base @param {string} method @param {string} path @param {Record<string, string | undefined>} [query] @param {string} [body]
 */
export async function operate(base, method, path, query = {}, body = undefined) {
  const address = endpoint(base, path);
  for (const [name, value] of Object.entries(query)) if (value !== undefined) address.searchParams.set(name, value);
  const response = await request(address, { method, body, headers: { authorization: `Bearer ${manageToken()}` } });
  const text = await response.text();
  if (response.status === 401) throw new CliError(`${address.host} rejected MANAGE_TOKEN for ${address.pathname}`, "use the secret MANAGE_TOKEN, or a token with the right manage for all sites");
  if (!response.ok) throw responseError(address, response.status, text);
  return text;
}

function manageToken() {
  const token = process.env.MANAGE_TOKEN;
  if (!token) throw new CliError("MANAGE_TOKEN is not set", "set it to the Worker's secret of that name (`npx wrangler secret put MANAGE_TOKEN`)");
  return token;
}

/** The URL of a path of the Worker, which may itself be deployed below a path. @param {URL} base @param {string} path */
export function endpoint(base, path) {
  return new URL(`${base.pathname.replace(/\/$/, "")}${path}`, base);
}

/** @param {string | undefined} text */
export function parseWorkerUrl(text) {
  if (!text) throw new CliError("--url is missing", "pass the Worker's address, such as --url https://vitals.example.com");
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw new CliError(`--url "${text}" is not an http(s) address`, "pass the Worker's address, such as --url https://vitals.example.com");
  }
  return url;
}

/** @param {URL} address @param {RequestInit} [init] */
export async function request(address, init) {
  try {
    return await fetch(address, { ...init, signal: AbortSignal.timeout(30_000), redirect: "follow" });
  } catch (error) {
    throw new TemporaryError(`${address.origin} does not respond: ${errorMessage(error)}`, "check the address, and that the Worker is deployed there");
  }
}

/** The error of a response, with its remedy. @param {URL} address @param {number} status @param {string} body */
export function responseError(address, status, body) {
  const detailText = detail(body);
  const cause = `${address.host} returned ${status} for ${address.pathname}${detailText && `: ${detailText}`}`;
  if (status === 429 || status >= 500) return new TemporaryError(cause, "try again; if it fails again, read the Worker's log with `npx wrangler tail`");
  const remedy = REMEDIES.get(status) ?? "correct the request as the message says";
  return new CliError(cause, status === 401 && process.env.READ_TOKEN ? "READ_TOKEN is set, but is not the token of this Worker: set it to the Worker's secret of that name" : remedy);
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

const REMEDIES = new Map([
  [401, "the site is not public: set READ_TOKEN to the Worker's secret of that name"],
  [403, "add the origin to `origins` of the site in SITES (wrangler.toml), and deploy"],
  [404, "check that --url is the address of an edge-vitals Worker, and that --site is in SITES (wrangler.toml)"],
]);
