// Two builds of the Worker, interleaved pair by pair: processor time of workerd for a durable beacon and
// for a memory hit of the cache. `BASE_BUILD` names the folder of the earlier build (`index.js` and
// `index_bg.wasm`, as `build/` holds them). The median ratio and its 95 % upper bound by order statistics
// are printed as JSON; pairs cancel the drift of a shared machine.
import { readdirSync, readFileSync } from "node:fs";
import http from "node:http";
import { join, resolve } from "node:path";

import { DESKTOP } from "../../product.mjs";
import { createRandom, product, start } from "../../faults/workerd.mjs";

const PAIRS = Number(process.argv[2] ?? 40);
const REQUESTS = 3000;
const SENDERS = 32;
const MAX_RATIO = 1.03;

const base = process.env.BASE_BUILD;
if (!base) throw new Error("BASE_BUILD is not set: name the folder with index.js and index_bg.wasm of the build to compare with");

const body = "x".repeat(4096);
const origin = http.createServer((_, response) => response.writeHead(200, { "cache-control": "max-age=3600", "content-type": "text/html" }).end(body));
await new Promise((listening) => origin.listen(0, "127.0.0.1", () => listening(undefined)));
const { port } = /** @type {import("node:net").AddressInfo} */ (origin.address());
const EDGE = JSON.stringify({ routes: [{ host: "www.example", path: "/**", origin: `http://127.0.0.1:${port}` }] });

/** @param {string} folder */
const build = (folder) => ({
  ...product({ EDGE }),
  modules: { "index.js": join(folder, "index.js"), "index_bg.wasm": join(folder, "index_bg.wasm") },
});
const builds = {
  before: await start("builds-before", build(resolve(base)), { fresh: true }),
  after: await start("builds-after", product({ EDGE }), { fresh: true }),
};
/** @typedef {keyof typeof builds} Build */
const names = /** @type {Build[]} */ (["before", "after"]);

const random = createRandom(15);
function beacon() {
  const id = Array.from({ length: 24 }, () => Math.floor(random() * 16).toString(16)).join("");
  const slow = Math.exp(random() * 1.2);
  return JSON.stringify({
    v: 1, site: "demo", id, view: 0, seq: 0, nav: "navigate", path: `/product/${Math.floor(random() * 1000)}`, age: 4000,
    m: { FCP: Math.floor(700 * slow), LCP: Math.floor(1100 * slow), CLS: Math.floor(random() * 1500), INP: Math.floor(40 + random() * 200), TTFB: Math.floor(100 * slow) },
    release: "2026.11.1",
  });
}

/** Processor time of a process's threads in microseconds, as the scheduler counts it (to the nanosecond). @param {number} pid */
function cpuTime(pid) {
  const threads = readdirSync(`/proc/${pid}/task`);
  return threads.reduce((sum, thread) => sum + Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]) / 1000, 0);
}

/** @type {Record<string, (worker: typeof builds.before, bodies: string[]) => Promise<void>>} */
const loads = {
  "a durable beacon": (worker, bodies) =>
    inParallel(bodies, async (text) => {
      const answer = await worker.send("/v1/vitals", text, { "user-agent": DESKTOP, "content-type": "text/plain" });
      if (answer.status !== 200 && answer.status !== 204) throw new Error(`${answer.status}: ${answer.text}`);
    }),
  "a memory hit": (worker, bodies) =>
    inParallel(bodies, async () => {
      const answer = await worker.ask("/page", undefined, { host: "www.example", "user-agent": DESKTOP, "accept-encoding": "gzip, br" });
      if (answer.status !== 200) throw new Error(`${answer.status}: ${answer.text.slice(0, 200)}`);
    }),
};

/** @param {string[]} items @param {(item: string) => Promise<void>} send */
async function inParallel(items, send) {
  const queue = [...items];
  const sender = async () => {
    for (let item = queue.pop(); item !== undefined; item = queue.pop()) await send(item);
  };
  await Promise.all(Array.from({ length: SENDERS }, sender));
}

/** @type {Record<string, { before: number, after: number }[]>} */
const pairs = Object.fromEntries(Object.keys(loads).map((name) => [name, []]));
try {
  const warmUp = Array.from({ length: REQUESTS }, beacon);
  for (const load of Object.values(loads)) for (const name of names) await load(builds[name], warmUp);
  for (let pair = 0; pair < PAIRS; pair += 1) {
    for (const [what, load] of Object.entries(loads)) {
      const bodies = Array.from({ length: REQUESTS }, beacon);
      const cost = { before: 0, after: 0 };
      // The order alternates, so that neither build always runs second.
      for (const name of pair % 2 === 0 ? names : [...names].reverse()) {
        const start = cpuTime(builds[name].pid);
        await load(builds[name], bodies);
        cost[name] = (cpuTime(builds[name].pid) - start) / REQUESTS;
      }
      pairs[what].push(cost);
    }
  }
} finally {
  await Promise.all(names.map((name) => builds[name].kill()));
  origin.close();
}

/** The rank of the 95 % upper bound of a median: the smallest r with P(Bin(n, ½) < r) ≥ 0.95. @param {number} n */
function upperRank(n) {
  let [probability, sum] = [2 ** -n, 0];
  for (let rank = 0; rank < n; rank += 1) {
    sum += probability;
    if (sum >= 0.95) return rank + 1;
    probability *= (n - rank) / (rank + 1);
  }
  return n;
}

const round3 = (/** @type {number} */ value) => Math.round(value * 1000) / 1000;
const figures = Object.entries(pairs).map(([what, costs]) => {
  const ratios = costs.map(({ before, after }) => after / before).sort((a, b) => a - b);
  const upper = ratios[Math.min(upperRank(ratios.length), ratios.length) - 1];
  const median = (/** @type {number[]} */ values) => [...values].sort((a, b) => a - b)[values.length >> 1];
  return {
    name: `${what}, upper bound of the median ratio of ${PAIRS} pairs (median ${round3(median(ratios))})`,
    value: round3(median(costs.map(({ after }) => after))),
    unit: "µs of workerd's processor time",
    ratio: round3(upper),
    against: `the earlier build, ${round3(median(costs.map(({ before }) => before)))} µs`,
    goal: MAX_RATIO,
    met: upper <= MAX_RATIO,
  };
});
console.log(JSON.stringify({ figures }, null, 2));
