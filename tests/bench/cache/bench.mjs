// Processor time, user and system, of a cached response, compared with the smallest Workers in Rust and
// JavaScript, the documented use of the Cache API, a quickly written map in memory, nginx and Varnish.
// All have the same origin, bodies and fields, in one run. The Cache API of workerd is a separate
// service (tests/cache/fake-tiers.mjs), whose own time is not counted. Then the duration of a purge
// with ten, ten thousand and a million entries. Prints figures as JSON.
import { createHash } from "node:crypto";
import http from "node:http";

import { startTiers } from "../../cache/fake-tiers.mjs";
import { benchWorker, product, script, start } from "../../faults/workerd.mjs";
import { cpuTime, startServers } from "./servers.mjs";

const ROUNDS = Number(process.argv[2] ?? 7);
const REQUESTS = 4000;
const SENDERS = 16;
const TEN_THOUSAND = 10_000;
const MILLION = 1_000_000;
const PURGES = 30;
const TOKEN = "bench";

const body = "x".repeat(4096);
const origin = http.createServer((request, response) => {
  if (request.headers["if-none-match"]) return void response.writeHead(304, { "cache-control": "no-cache", etag: '"a"' }).end();
  const isRevalidated = request.url?.startsWith("/asked");
  response.writeHead(200, { "cache-control": isRevalidated ? "no-cache" : request.url?.startsWith("/miss") ? "no-store" : "max-age=600", etag: '"a"', "content-type": "text/html", "cache-tag": "a, b" }).end(body);
});
await new Promise((resolve) => origin.listen(0, "127.0.0.1", () => resolve(undefined)));
const { port } = /** @type {import("node:net").AddressInfo} */ (origin.address());
const address = `http://127.0.0.1:${port}`;

/** @param {number} memory */
const edge = (memory) => product({ EDGE: JSON.stringify({ memory_bytes: memory, routes: [{ host: "www.example", path: "/**", origin: address }] }), CACHE_TOKEN: TOKEN });
/** @param {string} file */
const plain = (file) => {
  const worker = script(file);
  worker.bindings.push(`(name = "ORIGIN", text = ${JSON.stringify(address)})`);
  return worker;
};
const tiers = await startTiers();
const { nginx, varnish } = await startServers(port);
const running = {
  cache: await start("bench-cache", edge(100_000_000), { fresh: true }),
  cold: await start("bench-cold", edge(0), { fresh: true, colo: tiers.colo.port }),
  rust: await start("bench-rust", benchWorker("empty"), { fresh: true }),
  empty: await start("bench-empty", script("tests/bench/ingest/answer.js"), { fresh: true }),
  colo: await start("bench-colo", plain("tests/bench/cache/colo.js"), { fresh: true, colo: tiers.colo.port }),
  memo: await start("bench-memo", plain("tests/bench/cache/memo.js"), { fresh: true }),
  ...(nginx && { nginx }),
  ...(varnish && { varnish }),
};

/** @typedef {{ worker: string, path: (index: number) => string, headers?: Record<string, string>, requests?: number, expectedStatus?: RegExp }} Contender */
/** Each contender's server, request and expected Cache-Status. @type {Record<string, Contender>} */
const contenders = {
  "a memory hit": { worker: "cache", path: () => "/page", expectedStatus: /hit.*detail=memory/ },
  "a 304 from memory": { worker: "cache", path: () => "/page", headers: { "if-none-match": '"a"' }, expectedStatus: /hit.*detail=memory/ },
  "a hit in the Cache API": { worker: "cold", path: () => "/page", requests: 2000, expectedStatus: /hit.*detail=colo/ },
  "a 304 from the origin": { worker: "cache", path: () => "/asked", requests: 1000 },
  "an unstored miss": { worker: "cache", path: (index) => `/miss?${index}`, requests: 1000, expectedStatus: /fwd=uri-miss/ },
  "our simplest response": { worker: "cache", path: () => "/api/health" },
  "the smallest Worker in Rust": { worker: "rust", path: () => "/" },
  "an empty JavaScript Worker": { worker: "empty", path: () => "/v1/vitals" },
  "the Cache API alone, in JavaScript": { worker: "colo", path: () => "/page", requests: 2000 },
  "a map in memory": { worker: "memo", path: () => "/page" },
  ...(nginx && { nginx: { worker: "nginx", path: () => "/page" } }),
  ...(varnish && { Varnish: { worker: "varnish", path: () => "/page" } }),
};
const names = Object.keys(contenders);

/** @param {string} name */
const server = (name) => /** @type {Record<string, import("./servers.mjs").Server>} */ (running)[contenders[name].worker];

/** @param {string} name @param {number} requests */
async function load(name, requests) {
  const { path, headers = {}, expectedStatus } = contenders[name];
  const expected = headers["if-none-match"] ? [304] : [200, 204];
  let left = requests;
  const sender = async () => {
    while (left > 0) {
      left -= 1;
      const answer = await server(name).ask(path(left), undefined, { host: "www.example", "accept-encoding": "gzip, br", "user-agent": "bench", ...headers });
      // A benchmark that measures something else than its name says is worse than a slow one.
      const isRight = expected.includes(answer.status) && (!expectedStatus || left >= requests - SENDERS || expectedStatus.test(String(answer.headers["cache-status"])));
      if (!isRight) throw new Error(`${name}: ${answer.status}: ${answer.headers["cache-status"]}: ${answer.text.slice(0, 200)}`);
    }
  };
  await Promise.all(Array.from({ length: SENDERS }, sender));
}

/** @type {Record<string, number[]>} */
const costs = Object.fromEntries(names.map((name) => [name, []]));
/** @type {Awaited<ReturnType<typeof purges>>} */
let purged;
try {
  // A response is stored after it is sent.
  for (const name of names) for (let turn = 0; turn < 2; turn += 1) await load(name, 500).catch((error) => turn === 0 || Promise.reject(error));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const name of names) {
      const { requests = REQUESTS } = contenders[name];
      const before = cpuTime(server(name).pid);
      await load(name, requests);
      costs[name].push((cpuTime(server(name).pid) - before) / requests);
    }
  }
  purged = await purges();
} finally {
  await Promise.all(Object.values(running).map((one) => one.kill()));
  tiers.close();
  origin.close();
  origin.closeAllConnections();
}

/**
 * Measures a purge of a tag in milliseconds, for several numbers of tagged entries in the Cache API, and after
 * ten thousand purges of other tags. A million entries are not fetched one by one: the envelope of one is stored
 * under the keys of the others, where each lookup finds it.
 */
async function purges() {
  const { ask } = running.cold;
  const times = new Map();
  for (const entries of [10, TEN_THOUSAND, MILLION]) {
    const pathOf = (/** @type {number} */ index) => `/many/${entries}/${index}`;
    if (entries < MILLION) {
      await each(entries, (index) => ask(pathOf(index), undefined, { host: "www.example" }));
    } else {
      await ask(pathOf(0), undefined, { host: "www.example" });
      await copyEntry(pathOf, entries);
    }
    const sample = Array.from({ length: 200 }, (_, index) => Math.floor((index * entries) / 200));
    await expectAll(sample.map(pathOf), "hit");
    times.set(entries, await timePurges(() => ({ tag: "a" })));
    await expectAll(sample.map(pathOf), "miss");
  }
  await each(TEN_THOUSAND, (index) => purge({ tag: `other-${index}` }));
  times.set("marks", await timePurges((turn) => ({ tag: `another-${turn}` })));
  return times;

  /** @param {unknown} what */
  async function purge(what) {
    const { status, text } = await ask("/api/cache/purge", JSON.stringify(what), { authorization: `Bearer ${TOKEN}` });
    if (status !== 200) throw new Error(`purge failed: ${status}: ${text}`);
  }

  /** @param {(turn: number) => unknown} what */
  async function timePurges(what) {
    const times = [];
    for (let turn = 0; turn < PURGES; turn += 1) {
      const began = performance.now();
      await purge(what(turn));
      times.push(performance.now() - began);
    }
    return median(times);
  }

  /** @param {string[]} paths @param {string} expect */
  async function expectAll(paths, expect) {
    for (const path of new Set(paths)) {
      const { headers, text } = await ask(path, undefined, { host: "www.example" });
      const timing = String(headers["server-timing"]);
      if (!timing.includes(`desc=${expect}`) || text !== body) throw new Error(`${path} should be a ${expect}, but is: ${timing}`);
    }
  }

  /** @param {(index: number) => string} pathOf @param {number} entries */
  async function copyEntry(pathOf, entries) {
    const url = `http://www.example${pathOf(0)}`;
    const { text } = await ask(`/api/cache/explain?url=${encodeURIComponent(url)}`, undefined, { authorization: `Bearer ${TOKEN}` });
    const { key } = JSON.parse(text);
    const name = (/** @type {number} */ index) => `/.edge-vitals/1/${createHash("sha256").update(key.replace(pathOf(0), pathOf(index))).digest("hex")}`;
    while (!tiers.colo.entries.has(name(0))) await new Promise((resolve) => setImmediate(resolve));
    const envelope = /** @type {Buffer} */ (tiers.colo.entries.get(name(0)));
    for (let index = 1; index < entries; index += 1) tiers.colo.entries.set(name(index), envelope);
  }
}

/** @param {number} all @param {(index: number) => Promise<unknown>} work */
async function each(all, work) {
  let left = all;
  await Promise.all(
    Array.from({ length: SENDERS }, async () => {
      while (left > 0) await work((left -= 1));
    }),
  );
}

/** @param {number[]} values */
function median(values) {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}

const round3 = (/** @type {number} */ value) => Math.round(value * 1000) / 1000;
/** Compares round by round, because the load of the machine changes between rounds. @param {string} name @param {string} peer @param {number} goal */
function figure(name, peer, goal) {
  const ratio = median(costs[name].map((cost, round) => cost / costs[peer][round]));
  return {
    name: `${name} against ${peer}`,
    value: round3(median(costs[name])),
    unit: "µs of processor time",
    ratio: round3(ratio),
    against: `${peer}, ${round3(median(costs[peer]))} µs`,
    goal,
    met: ratio <= goal,
  };
}
/** @param {number | "marks"} at @param {string} name */
function purge(at, name) {
  const [value, least] = [purged.get(at), purged.get(10)];
  return { name, value: round3(value), unit: "ms", ratio: round3(value / least), against: `at 10 entries, ${round3(least)} ms`, goal: 2, met: value <= least * 2 };
}
// Servers in C without a sandbox set no goal; they show the cost of the platform.
const figures = [
  figure("a memory hit", "the smallest Worker in Rust", 1.3),
  figure("a memory hit", "the Cache API alone, in JavaScript", 1),
  figure("a memory hit", "our simplest response", 1.3),
  figure("a memory hit", "a map in memory", 1),
  figure("a memory hit", "an empty JavaScript Worker", 3),
  ...(nginx ? [figure("a memory hit", "nginx", 20)] : []),
  ...(varnish ? [figure("a memory hit", "Varnish", 20)] : []),
  figure("a hit in the Cache API", "the Cache API alone, in JavaScript", 1.5),
  figure("a 304 from memory", "the smallest Worker in Rust", 1.3),
  figure("a 304 from the origin", "an unstored miss", 1.2),
  purge(TEN_THOUSAND, `a purge at ${TEN_THOUSAND.toLocaleString("en")} entries`),
  purge(MILLION, `a purge at ${MILLION.toLocaleString("en")} entries`),
  purge("marks", `a purge after ${TEN_THOUSAND.toLocaleString("en")} others`),
];
console.log(JSON.stringify({ figures }, null, 2));
