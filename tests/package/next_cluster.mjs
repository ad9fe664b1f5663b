//! Several processes of one Next.js application behind the Worker: their database is a file, a proxy before them takes
//! turns, and another before the Worker survives it.

import { spawn } from "node:child_process";
import { renameSync, writeFileSync } from "node:fs";
import http from "node:http";
import { join } from "node:path";

import { startTiers } from "../cache/fake-tiers.mjs";
import { product, start } from "../faults/workerd.mjs";
import { directory } from "../run.mjs";
import { ROOM } from "./projects.mjs";

export const HOST = "shop.localhost";
export const LEASE_MS = 500;
const TOKEN = "a-token-of-the-tests";

/** @typedef {Awaited<ReturnType<typeof startInstance>>} Instance */
/** @typedef {{ status: number, headers: http.IncomingHttpHeaders, body: string }} Answer */

/** @param {string} name of the built project @param {{ processes?: number, hasHandlers?: boolean }} [options] */
export async function startCluster(name, { processes = 3, hasHandlers = true } = {}) {
  const file = join(directory({ "versions.json": "{}" }), "versions.json");
  const tiers = await startTiers();
  const balancer = await startProxy();
  const front = await startProxy();
  const edge = {
    lease_ms: LEASE_MS,
    routes: [{ host: HOST, path: "/**", origin: balancer.origin, next: true }],
  };
  const worker = product({ EDGE: JSON.stringify(edge), CACHE_TOKEN: TOKEN });
  const id = `next-${hasHandlers ? "handlers" : "default"}`;
  const run = (/** @type {boolean} */ fresh) => start(id, worker, { fresh, colo: tiers.colo.port, kv: tiers.kv.port });
  let workerd = await run(true);
  front.forwardTo([workerd.port]);
  const env = {
    ...process.env,
    VERSIONS_FILE: file,
    OWN_CACHE: hasHandlers ? "yes" : "no",
    ...(hasHandlers && { EDGE_VITALS_URL: front.origin, EDGE_VITALS_CACHE_TOKEN: TOKEN, EDGE_VITALS_CACHE_LEASE_MS: String(LEASE_MS), EDGE_VITALS_CACHE_TIMEOUT_MS: "5000" }),
    NEXT_TELEMETRY_DISABLED: "1",
    NODE_ENV: undefined,
  };
  const launch = () => startInstance(join(ROOM, name), /** @type {any} */ (env));
  const instances = await Promise.all(Array.from({ length: processes }, launch));
  const balance = () => balancer.forwardTo(instances.map(({ port }) => port));
  balance();
  /** @type {Record<string, number>} */
  const versions = {};
  return {
    instances,
    tiers,
    /** Writes a version into the database. @param {string} item */
    write(item) {
      versions[item] = (versions[item] ?? 0) + 1;
      // A reader sees one version or the other.
      writeFileSync(`${file}.new`, JSON.stringify(versions));
      renameSync(`${file}.new`, file);
      return versions[item];
    },
    /** Reads through the edge. @param {string} path @param {Record<string, string>} [headers] */
    read: (path, headers = {}) => ask(workerd.port, path, { headers: { host: HOST, ...headers } }),
    /** Starts another process in the place of one that ended. @param {Instance} instance */
    async replace(instance) {
      instances[instances.indexOf(instance)] = await launch();
      balance();
    },
    /** Kills workerd; its storage stays. */
    stopWorker: () => workerd.kill(),
    async restartWorker() {
      workerd = await run(false);
      front.forwardTo([workerd.port]);
    },
    async close() {
      await Promise.all(instances.map((instance) => instance.kill("SIGTERM")));
      balancer.close();
      front.close();
      await workerd.kill();
      tiers.close();
    },
  };
}

/** A process of Next.js on a port of its choice. @param {string} folder @param {Record<string, string>} env */
async function startInstance(folder, env) {
  const child = spawn("node", [join(ROOM, "node_modules/next/dist/bin/next"), "start", "--hostname", "127.0.0.1", "--port", "0"], { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  const ended = new Promise((resolve) => child.once("exit", resolve));
  /** @type {number} */
  const port = await new Promise((resolve, reject) => {
    const read = (/** @type {Buffer} */ bytes) => {
      output += bytes;
      const local = /Local:\s+http:\/\/127\.0\.0\.1:(\d+)/.exec(output);
      if (local && output.includes("Ready in")) resolve(Number(local[1]));
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`next start exited with ${code} before it served:\n${output}`)));
  });
  const read = (/** @type {string} */ path, /** @type {Record<string, string>} */ headers = {}) => ask(port, path, { headers });
  const stats = async () => JSON.parse((await read("/api/stats")).body);

  /** Makes a call that purges, and waits until the Worker has the purge or could not be reached: a route handler of Next.js answers before. @param {() => Promise<Answer>} call */
  async function complete(call) {
    const before = await stats();
    const answer = await call();
    const isSettled = (/** @type {any} */ now) => !env.EDGE_VITALS_URL || now.purges.delivered > before.purges.delivered || now.purges.failed > before.purges.failed;
    const deadline = performance.now() + 10_000;
    while (!isSettled(await stats())) if (performance.now() > deadline) throw new Error(`the purge did not settle: ${JSON.stringify(await stats())}`);
    return answer;
  }

  return {
    port,
    output: () => output,
    read,
    /** Calls `revalidateTag` or `revalidatePath` in a route handler. @param {{ tag?: string, profile?: string, path?: string }} what */
    revalidate: (what) => complete(() => ask(port, "/api/purge", { method: "POST", headers: { "content-type": "application/json" } }, JSON.stringify(what))),
    /** Calls `updateTag` in a server action, as a form without JavaScript does. @param {string} tag */
    update: (tag) =>
      complete(async () => {
        const page = await read("/purge");
        const action = /name="(\$ACTION_ID_[0-9a-f]+)"/.exec(page.body)?.[1];
        if (!action) throw new Error(`the form has no action: ${page.body}`);
        const form = new FormData();
        form.set(action, "");
        form.set("tag", tag);
        const request = new Request("http://form", { method: "POST", body: form });
        const headers = { "content-type": request.headers.get("content-type") ?? "" };
        return ask(port, "/purge", { method: "POST", headers }, Buffer.from(await request.arrayBuffer()));
      }),
    stats,
    /** @param {NodeJS.Signals} signal */
    kill(signal) {
      child.kill(signal);
      return ended;
    },
  };
}

/** Forwards each request to the next of some ports. */
async function startProxy() {
  /** @type {number[]} */
  let ports = [];
  let turn = 0;
  // A connection that a process closes as it is used again would be a failure.
  const agent = new http.Agent({ keepAlive: false });
  const server = http.createServer((request, response) => {
    const port = ports[(turn += 1) % ports.length];
    const forwarded = http.request({ host: "127.0.0.1", port, agent, path: request.url, method: request.method, headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
      answer.on("error", () => response.destroy());
    });
    forwarded.on("error", () => response.destroy());
    request.pipe(forwarded);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  return {
    origin: `http://127.0.0.1:${port}`,
    /** @param {number[]} to */
    forwardTo: (to) => void (ports = to),
    close: () => {
      agent.destroy();
      server.closeAllConnections();
      server.close();
    },
  };
}

const agent = new http.Agent({ keepAlive: false });

/** @param {number} port @param {string} path @param {http.RequestOptions} options @param {string | Buffer} [body] @returns {Promise<Answer>} */
function ask(port, path, options, body) {
  return new Promise((resolve, reject) => {
    const request = http.request({ host: "127.0.0.1", port, path, agent, ...options }, (answer) => {
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (chunk) => (text += chunk));
      answer.on("end", () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: text }));
      answer.on("error", reject);
    });
    request.on("error", reject);
    request.end(body);
  });
}

/**
 * Reads items in every way while versions are written and purged, and counts answers that are older than a purge that was
 * complete a lease before the request. Next.js lets a request join a render that is under way, so an answer counts from the
 * earliest request for its path that had no answer yet.
 * @param {Awaited<ReturnType<typeof startCluster>>} cluster
 * @param {{ reads: number, items: number, random: () => number }} options
 */
export async function runMixedReads(cluster, { reads, items, random }) {
  const pick = (/** @type {number} */ count) => Math.floor(random() * count);
  /** The completed purges of each item. @type {Map<string, { version: number, at: number }[]>} */
  const purges = new Map();
  /** The times of the requests without an answer, by path. @type {Map<string, number[]>} */
  const pending = new Map();
  const counts = { reads: 0, stale: 0, joined: 0, purges: 0, hits: 0, examples: /** @type {unknown[]} */ ([]), bySort: /** @type {Record<string, number>} */ ({}) };
  let isOver = false;

  async function readOne() {
    const item = String(pick(items));
    const isRsc = random() < 0.5;
    const path = isRsc ? `/item/${item}?_rsc` : `/item/${item}`;
    /** @type {Record<string, string>} */
    const headers = isRsc ? { rsc: "1" } : {};
    const isAtEdge = random() < 0.8;
    const startedAt = performance.now();
    const underWay = [...(pending.get(path) ?? [])];
    const earliest = Math.min(startedAt, ...underWay);
    pending.set(path, [...underWay, startedAt]);
    const answer = isAtEdge ? await cluster.read(path, headers) : await cluster.instances[pick(cluster.instances.length)].read(path, headers);
    pending.set(path, (pending.get(path) ?? []).filter((other) => other !== startedAt));
    const version = Number(new RegExp(`item ${item} is (\\d+)\\.`).exec(answer.body)?.[1] ?? NaN);
    if (answer.status !== 200 || Number.isNaN(version)) throw new Error(`${path} answered ${answer.status}: ${answer.body.slice(0, 500)}`);
    const sort = `${isAtEdge ? "edge" : "process"} ${isRsc ? "RSC" : "HTML"}`;
    counts.bySort[sort] = (counts.bySort[sort] ?? 0) + 1;
    if (/edge;desc=hit/.test(String(answer.headers["server-timing"]))) counts.hits += 1;
    const since = (/** @type {number} */ time) => (purges.get(item) ?? []).filter(({ version: purged, at }) => purged > version && at + LEASE_MS < time);
    const missed = since(earliest);
    if (missed.length > 0) {
      counts.stale += 1;
      if (counts.examples.length < 5) counts.examples.push({ path, sort, version, purged: missed[0].version, lateMs: earliest - missed[0].at, status: answer.headers["cache-status"] });
    } else if (since(startedAt).length > 0) {
      counts.joined += 1;
    }
  }

  async function readOn() {
    while (counts.reads < reads) {
      counts.reads += 1;
      await readOne();
    }
  }

  async function purgeOn() {
    while (!isOver) {
      const item = String(pick(items));
      const version = cluster.write(item);
      const instance = cluster.instances[pick(cluster.instances.length)];
      const way = pick(3);
      if (way === 0) await instance.update(`item-${item}`);
      else if (way === 1) await instance.revalidate({ tag: `item-${item}` });
      else await instance.revalidate({ path: `/item/${item}` });
      purges.set(item, [...(purges.get(item) ?? []), { version, at: performance.now() }]);
      counts.purges += 1;
      // Copies have to be there to be purged.
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  const purging = purgeOn();
  try {
    await Promise.all(Array.from({ length: 8 }, readOn));
  } finally {
    isOver = true;
  }
  await purging;
  return counts;
}
