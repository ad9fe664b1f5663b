// The portal as a team would run it: built, behind the Worker as its origin, with its own database. A
// proxy between the two records the requests to the origin and can delay them.
import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import http from "node:http";
import { join } from "node:path";

import { product, start } from "../faults/workerd.mjs";
import { directory, ROOT, run } from "../run.mjs";

export const HOST = "portal.localhost";
export const EDITOR = { email: "editor@portal.example", password: "the editor's own password" };
export const MEMBER = { email: "member@portal.example", password: "the member's own password" };
const FOLDER = join(ROOT, "www/portal");
const NEXT = "node_modules/next/dist/bin/next";
const TOKEN = "a-token-of-the-tests";
const KEY = { name: "2027-01", secret: "an example secret of 32 bytes..." };
const SESSION = "a session secret of the tests' own, long enough";

/** @param {string} [name] of workerd's storage @param {Record<string, string>} [more] further variables of its Worker */
export async function startPortal(name = "portal", more = {}) {
  const proxy = await startProxy();
  const keys = `${KEY.name}:${KEY.secret}`;
  const routes = readFileSync(join(FOLDER, "edge.json"), "utf8").replaceAll('"HOST"', `"${HOST}"`).replaceAll('"ORIGIN"', `"${proxy.origin}"`);
  // workerd alone, because the harness of the other tests follows an origin's redirects before the
  // Worker sees them.
  const variables = {
    EDGE: routes,
    SITES: { portal: { public: true } },
    CACHE_TOKEN: TOKEN,
    BACKEND_HEALTH_URL: `${proxy.origin}/api/health/advanced`,
    ORIGIN_HEALTH_URL: `${proxy.origin}/api/health`,
    PUSH_KEYS: keys,
    PUSH_EVERY: "minute",
    ...more,
  };
  const workerd = await start(name, product(variables), { fresh: true });
  const edge = `http://127.0.0.1:${workerd.port}`;
  const front = await startProxy();
  front.forwardTo(workerd.port);
  const env = {
    ...process.env,
    SQLITE_FILE: join(directory(), "portal.sqlite"),
    SESSION_SECRET: SESSION,
    EDGE_VITALS_KEYS: keys,
    EDGE_VITALS_URL: edge,
    EDGE_VITALS_CACHE_TOKEN: TOKEN,
    RELEASE: "r1",
    NEXT_TELEMETRY_DISABLED: "1",
    NODE_ENV: undefined,
    DATABASE_URL: undefined,
  };
  const script = async (/** @type {string[]} */ words, /** @type {Record<string, string>} */ more = {}) => {
    const { code, out, err } = await run(FOLDER, ["node", ...words], /** @type {any} */ ({ ...env, ...more }));
    if (code) throw new Error(`\`node ${words.join(" ")}\` exited with ${code}:\n${out}${err}`);
  };
  await script(["scripts/setup.ts"]);
  await script(["scripts/member.ts", EDITOR.email, "An editor", "editor"], { PASSWORD: EDITOR.password });
  await script(["scripts/member.ts", MEMBER.email, "A member"], { PASSWORD: MEMBER.password });
  const server = await startNext(/** @type {any} */ (env));
  proxy.forwardTo(server.port);

  /** Starts the same portal once more, bypassing the edge, with other settings. @param {Record<string, string>} more */
  const startSecond = async (more) => {
    await script(["scripts/setup.ts"], more);
    const other = await startNext(/** @type {any} */ ({ ...env, ...more }));
    return { origin: `http://127.0.0.1:${other.port}`, close: other.close };
  };

  return {
    /** The Worker's address; hosts other than the portal's show its own pages. */
    edge,
    proxy,
    /** The proxy between visitors and the edge. */
    front,
    startSecond,
    /** Reads the summary of the visits. @param {string} [query] @returns {Promise<any>} */
    async summary(query = "") {
      const answer = await fetch(`${edge}/api/vitals/summary?site=portal${query}`);
      if (!answer.ok) throw new Error(`the summary request returned ${answer.status}: ${await answer.text()}`);
      return answer.json();
    },
    /** The portal's own address, bypassing the edge. */
    origin: `http://127.0.0.1:${server.port}`,
    /** Pushes a document to the portal as the edge does. @param {any} document @param {{ secret?: string, at?: number, to?: string, path?: string, body?: string }} [other] */
    push(document, { secret = KEY.secret, at = Date.now(), to = `http://127.0.0.1:${server.port}`, path = "/api/health/advanced", body = JSON.stringify(document) } = {}) {
      const { site, span, start, revision } = document;
      const [t, key] = [Math.floor(at / 1000), `${site}.${span}.${start}.${revision}`];
      const v1 = createHmac("sha256", secret).update(`edge-vitals.v1\n${t}\n${KEY.name}\n${key}\n${JSON.stringify(document)}`).digest("hex");
      const headers = { "content-type": "application/json", "idempotency-key": key, "edge-vitals-signature": `t=${t},k=${KEY.name},v1=${v1}` };
      return fetch(to + path, { method: "POST", headers, body });
    },
    async close() {
      await workerd.kill();
      front.close();
      proxy.close();
      await server.close();
    },
  };
}

/** The session cookie's value as the portal signs it. @param {string} member @param {number} until */
export function signSession(member, until) {
  const payload = `${member}.${until}`;
  return `${payload}.${createHmac("sha256", SESSION).update(`session.${payload}`).digest("base64url")}`;
}

/** Starts a proxy, such as that between the edge and the portal. */
async function startProxy() {
  let port = 0;
  /** @type {string[]} */
  const requests = [];
  /** The delay in milliseconds for a path; a delayed response is not cached, either. @type {(path: string) => number} */
  let delay = () => 0;
  /** Resolvers that wait for a beacon. @type {((beacon: any) => void)[]} */
  const waiting = [];
  const server = http.createServer(async (request, response) => {
    const path = request.url ?? "/";
    requests.push(path);
    if (path === "/v1/vitals") {
      let body = "";
      request.on("data", (chunk) => (body += chunk));
      request.on("end", () => waiting.shift()?.(JSON.parse(body)));
    }
    const delayMs = delay(path);
    if (delayMs) await new Promise((resolve) => setTimeout(resolve, delayMs));
    const forwarded = http.request({ host: "127.0.0.1", port, path, method: request.method, headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, { ...answer.headers, ...(delayMs && { "cache-control": "no-store" }) });
      answer.pipe(response);
    });
    forwarded.on("error", () => response.writeHead(502).end());
    request.pipe(forwarded);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port: proxyPort } = /** @type {import("node:net").AddressInfo} */ (server.address());
  return {
    origin: `http://127.0.0.1:${proxyPort}`,
    /** @param {number} to */
    forwardTo: (to) => void (port = to),
    /** @param {(path: string) => number} to */
    delay: (to) => void (delay = to),
    /** Resolves to the next beacon that no earlier call has taken. @returns {Promise<any>} */
    beacon: () => new Promise((resolve) => waiting.push(resolve)),
    /** @param {string} path */
    countRequests: (path) => requests.filter((each) => each === path).length,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Starts Next.js on a port of its choice. @param {Record<string, string>} env */
async function startNext(env) {
  const child = spawn("node", [NEXT, "start", "--hostname", "127.0.0.1", "--port", "0"], { cwd: FOLDER, env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const port = await new Promise((resolve, reject) => {
    const read = (/** @type {Buffer} */ bytes) => {
      output += bytes;
      const local = /Local:\s+http:\/\/127\.0\.0\.1:(\d+)/.exec(output);
      if (local && output.includes("Ready in")) resolve(Number(local[1]));
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`the portal exited with ${code} before it served:\n${output}`)));
  });
  return {
    port,
    close: () => {
      child.kill("SIGTERM");
      return ended;
    },
  };
}
