// What an answer of the cache costs the edge: processor time, user and system, for each request, beside
// the emptiest Worker in Rust, an empty one in JavaScript, what the platform's documentation shows of the
// Cache API, a map in memory that somebody wrote in an hour, nginx and Varnish. Each with the same origin,
// bodies and fields, in one run. The Cache API of workerd is a service beside it (tests/cache/fake-tiers.mjs),
// whose own time is nobody's. Then, what a purge takes at ten, ten thousand and a million entries. Prints
// figures as JSON.
import { createHash } from "node:crypto";
import http from "node:http";

import { startTiers } from "../../cache/fake-tiers.mjs";
import { benchWorker, product, script, start } from "../../faults/workerd.mjs";
import { servers, taken } from "./servers.mjs";

const ROUNDS = Number(process.argv[2] ?? 7);
const REQUESTS = 4000;
const SENDERS = 16;
const MANY = 10_000;
const MOST = 1_000_000;
const PURGES = 30;
const TOKEN = "bench";

const body = "x".repeat(4096);
const origin = http.createServer((request, response) => {
  if (request.headers["if-none-match"]) return void response.writeHead(304, { "cache-control": "no-cache", etag: '"a"' }).end();
  const isAsked = request.url?.startsWith("/asked");
  response.writeHead(200, { "cache-control": isAsked ? "no-cache" : request.url?.startsWith("/miss") ? "no-store" : "max-age=600", etag: '"a"', "content-type": "text/html", "cache-tag": "a, b" }).end(body);
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
const { nginx, varnish } = await servers(port);
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

/** @typedef {{ worker: string, path: (index: number) => string, headers?: Record<string, string>, requests?: number, is?: RegExp }} Contender */
/** What is asked, of whom, and what the answer has to say of itself. @type {Record<string, Contender>} */
const contenders = {
  "a hit in memory": { worker: "cache", path: () => "/page", is: /hit.*detail=memory/ },
  "a 304 from memory": { worker: "cache", path: () => "/page", headers: { "if-none-match": '"a"' }, is: /hit.*detail=memory/ },
  "a hit in the Cache API": { worker: "cold", path: () => "/page", requests: 2000, is: /hit.*detail=colo/ },
  "a 304 of the origin": { worker: "cache", path: () => "/asked", requests: 1000 },
  "a miss that is not stored": { worker: "cache", path: (index) => `/miss?${index}`, requests: 1000, is: /fwd=uri-miss/ },
  "our plainest answer": { worker: "cache", path: () => "/api/health" },
  "the emptiest Worker in Rust": { worker: "rust", path: () => "/" },
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
  const { path, headers = {}, is } = contenders[name];
  const expected = headers["if-none-match"] ? [304] : [200, 204];
  let left = requests;
  const sender = async () => {
    while (left > 0) {
      left -= 1;
      const answer = await server(name).ask(path(left), undefined, { host: "www.example", "accept-encoding": "gzip, br", "user-agent": "bench", ...headers });
      // Who measures something else than it says is worse than slow.
      const isRight = expected.includes(answer.status) && (!is || left >= requests - SENDERS || is.test(String(answer.headers["cache-status"])));
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
  // What is filled is filled after it was sent.
  for (const name of names) for (let turn = 0; turn < 2; turn += 1) await load(name, 500).catch((error) => turn === 0 || Promise.reject(error));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const name of names) {
      const { requests = REQUESTS } = contenders[name];
      const before = taken(server(name).pid);
      await load(name, requests);
      costs[name].push((taken(server(name).pid) - before) / requests);
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
 * What a purge of a tag takes, in milliseconds, while so many entries carry it in the tier that the Cache
 * API is; and after ten thousand other tags have been purged. A million are not fetched one by one: the
 * envelope of one that was is laid under the names of the others, where each of them is found.
 */
async function purges() {
  const { ask } = running.cold;
  const times = new Map();
  for (const entries of [10, MANY, MOST]) {
    const place = (/** @type {number} */ index) => `/many/${entries}/${index}`;
    if (entries < MOST) {
      await each(entries, (index) => ask(place(index), undefined, { host: "www.example" }));
    } else {
      await ask(place(0), undefined, { host: "www.example" });
      await laid(place, entries);
    }
    const sample = Array.from({ length: 200 }, (_, index) => Math.floor((index * entries) / 200));
    await found(sample.map(place), "hit");
    times.set(entries, await timed(() => ({ tag: "a" })));
    await found(sample.map(place), "miss");
  }
  await each(MANY, (index) => purge({ tag: `other-${index}` }));
  times.set("marks", await timed((turn) => ({ tag: `another-${turn}` })));
  return times;

  /** @param {unknown} what */
  async function purge(what) {
    const { status, text } = await ask("/api/cache/purge", JSON.stringify(what), { authorization: `Bearer ${TOKEN}` });
    if (status !== 200) throw new Error(`a purge: ${status}: ${text}`);
  }

  /** @param {(turn: number) => unknown} what */
  async function timed(what) {
    const times = [];
    for (let turn = 0; turn < PURGES; turn += 1) {
      const began = performance.now();
      await purge(what(turn));
      times.push(performance.now() - began);
    }
    return median(times);
  }

  /** @param {string[]} paths @param {string} expect */
  async function found(paths, expect) {
    for (const path of new Set(paths)) {
      const { headers, text } = await ask(path, undefined, { host: "www.example" });
      const did = String(headers["server-timing"]);
      if (!did.includes(`desc=${expect}`) || text !== body) throw new Error(`${path} should be a ${expect}, and is: ${did}`);
    }
  }

  /** @param {(index: number) => string} place @param {number} entries */
  async function laid(place, entries) {
    const url = `http://www.example${place(0)}`;
    const { text } = await ask(`/api/cache/explain?url=${encodeURIComponent(url)}`, undefined, { authorization: `Bearer ${TOKEN}` });
    const { key } = JSON.parse(text);
    const name = (/** @type {number} */ index) => `/.edge-vitals/1/${createHash("sha256").update(key.replace(place(0), place(index))).digest("hex")}`;
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
/** Round by round, because the machine's mood changes between rounds. @param {string} name @param {string} peer @param {number} goal */
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
// Servers in C without a sandbox are no goal: what the platform costs is seen beside them.
const figures = [
  figure("a hit in memory", "the emptiest Worker in Rust", 1.3),
  figure("a hit in memory", "the Cache API alone, in JavaScript", 1),
  figure("a hit in memory", "our plainest answer", 1.3),
  figure("a hit in memory", "a map in memory", 1),
  figure("a hit in memory", "an empty JavaScript Worker", 3),
  ...(nginx ? [figure("a hit in memory", "nginx", 20)] : []),
  ...(varnish ? [figure("a hit in memory", "Varnish", 20)] : []),
  figure("a hit in the Cache API", "the Cache API alone, in JavaScript", 1.5),
  figure("a 304 from memory", "the emptiest Worker in Rust", 1.3),
  figure("a 304 of the origin", "a miss that is not stored", 1.2),
  purge(MANY, `a purge at ${MANY.toLocaleString("en")} entries`),
  purge(MOST, `a purge at ${MOST.toLocaleString("en")} entries`),
  purge("marks", `a purge after ${MANY.toLocaleString("en")} others`),
];
console.log(JSON.stringify({ figures }, null, 2));
