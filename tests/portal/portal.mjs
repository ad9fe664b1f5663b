// The portal as a team would run it: built, behind the Worker as its origin, with a database of its own.
// Between the two stands a door that knows what the origin was asked, and can make it slow.
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

/** @param {string} [name] of workerd's storage @param {Record<string, string>} [more] what its Worker is told besides */
export async function portal(name = "portal", more = {}) {
  const door = await opened();
  const keys = `${KEY.name}:${KEY.secret}`;
  const routes = readFileSync(join(FOLDER, "edge.json"), "utf8").replaceAll('"HOST"', `"${HOST}"`).replaceAll('"ORIGIN"', `"${door.origin}"`);
  // workerd alone: the harness of the other tests follows an origin's redirects before the Worker sees them.
  const variables = {
    EDGE: routes,
    SITES: { portal: { public: true } },
    CACHE_TOKEN: TOKEN,
    BACKEND_HEALTH_URL: `${door.origin}/api/health/advanced`,
    ORIGIN_HEALTH_URL: `${door.origin}/api/health`,
    PUSH_KEYS: keys,
    PUSH_EVERY: "minute",
    ...more,
  };
  const workerd = await start(name, product(variables), { fresh: true });
  const edge = `http://127.0.0.1:${workerd.port}`;
  const front = await opened();
  front.leadsTo(workerd.port);
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
    if (code) throw new Error(`\`node ${words.join(" ")}\` ended with ${code}:\n${out}${err}`);
  };
  await script(["scripts/setup.ts"]);
  await script(["scripts/member.ts", EDITOR.email, "An editor", "editor"], { PASSWORD: EDITOR.password });
  await script(["scripts/member.ts", MEMBER.email, "A member"], { PASSWORD: MEMBER.password });
  const server = await next(/** @type {any} */ (env));
  door.leadsTo(server.port);

  /** The same portal once more, past the edge, with settings of its own. @param {Record<string, string>} more */
  const beside = async (more) => {
    await script(["scripts/setup.ts"], more);
    const other = await next(/** @type {any} */ ({ ...env, ...more }));
    return { origin: `http://127.0.0.1:${other.port}`, close: other.close };
  };

  return {
    /** The Worker's address; a host that is not the portal's shows its own pages. */
    edge,
    door,
    /** Where visitors come in, to the edge. */
    front,
    beside,
    /** What the visits came to. @param {string} [query] @returns {Promise<any>} */
    async summary(query = "") {
      const answer = await fetch(`${edge}/api/vitals/summary?site=portal${query}`);
      if (!answer.ok) throw new Error(`the summary answers ${answer.status}: ${await answer.text()}`);
      return answer.json();
    },
    /** Its own address, past the edge. */
    origin: `http://127.0.0.1:${server.port}`,
    /** Sends it a document as the edge does. @param {any} document @param {{ secret?: string, at?: number, to?: string, path?: string, body?: string }} [other] */
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
      door.close();
      await server.close();
    },
  };
}

/** What a session's cookie holds, as the portal signs it. @param {string} member @param {number} until */
export function session(member, until) {
  const says = `${member}.${until}`;
  return `${says}.${createHmac("sha256", SESSION).update(`session.${says}`).digest("base64url")}`;
}

/** A door on the way, as that from the edge to the portal. */
async function opened() {
  let port = 0;
  /** @type {string[]} */
  const asked = [];
  /** How many milliseconds the portal takes longer for a path; what does is also kept by nobody. @type {(path: string) => number} */
  let delay = () => 0;
  /** Who waits for a beacon. @type {((beacon: any) => void)[]} */
  const waiting = [];
  const server = http.createServer(async (request, response) => {
    const path = request.url ?? "/";
    asked.push(path);
    if (path === "/v1/vitals") {
      let body = "";
      request.on("data", (chunk) => (body += chunk));
      request.on("end", () => waiting.shift()?.(JSON.parse(body)));
    }
    const late = delay(path);
    if (late) await new Promise((resolve) => setTimeout(resolve, late));
    const passed = http.request({ host: "127.0.0.1", port, path, method: request.method, headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, { ...answer.headers, ...(late && { "cache-control": "no-store" }) });
      answer.pipe(response);
    });
    passed.on("error", () => response.writeHead(502).end());
    request.pipe(passed);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port: own } = /** @type {import("node:net").AddressInfo} */ (server.address());
  return {
    origin: `http://127.0.0.1:${own}`,
    /** @param {number} to */
    leadsTo: (to) => void (port = to),
    /** @param {(path: string) => number} to */
    slow: (to) => void (delay = to),
    /** The next beacon that goes through and that nobody else has asked for. @returns {Promise<any>} */
    beacon: () => new Promise((resolve) => waiting.push(resolve)),
    /** @param {string} path */
    asked: (path) => asked.filter((each) => each === path).length,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Next.js's server, on a port that it chooses. @param {Record<string, string>} env */
async function next(env) {
  const child = spawn("node", [NEXT, "start", "--hostname", "127.0.0.1", "--port", "0"], { cwd: FOLDER, env, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const port = await new Promise((resolve, reject) => {
    const read = (/** @type {Buffer} */ bytes) => {
      said += bytes;
      const local = /Local:\s+http:\/\/127\.0\.0\.1:(\d+)/.exec(said);
      if (local && said.includes("Ready in")) resolve(Number(local[1]));
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`the portal ended with ${code} before it served:\n${said}`)));
  });
  return {
    port,
    close: () => {
      child.kill("SIGTERM");
      return ended;
    },
  };
}
