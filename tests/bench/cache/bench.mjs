// What an answer of the cache costs the edge: processor time of workerd, user and system, for each
// request, beside our own Worker's plainest answer, an empty JavaScript Worker, and a map in memory that
// somebody wrote in an hour. Each with the same origin, bodies and fields, in one run. Prints figures as
// JSON. A purge is timed at ten and at ten thousand entries.
import { readFileSync } from "node:fs";
import http from "node:http";

import { product, script, start } from "../../faults/workerd.mjs";

const ROUNDS = Number(process.argv[2] ?? 7);
const REQUESTS = 4000;
const SENDERS = 16;
const MANY = 10_000;
const TOKEN = "bench";

const body = "x".repeat(4096);
const origin = http.createServer((request, response) => {
  if (request.headers["if-none-match"]) return void response.writeHead(304, { "cache-control": "no-cache", etag: '"a"' }).end();
  const isAsked = request.url?.startsWith("/asked");
  response.writeHead(200, { "cache-control": isAsked ? "no-cache" : request.url?.startsWith("/miss") ? "no-store" : "max-age=600", etag: '"a"', "content-type": "text/html", "cache-tag": "a, b" }).end(body);
});
await new Promise((resolve) => origin.listen(0, "127.0.0.1", () => resolve(undefined)));
const address = `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (origin.address()).port}`;

const EDGE = JSON.stringify({ memory_bytes: 100_000_000, routes: [{ host: "www.example", path: "/**", origin: address }] });
const memo = script("tests/bench/cache/memo.js");
memo.bindings.push(`(name = "ORIGIN", text = ${JSON.stringify(address)})`);
const running = {
  cache: await start("bench-cache", product({ EDGE, CACHE_TOKEN: TOKEN }), { fresh: true }),
  empty: await start("bench-empty", script("tests/bench/ingest/answer.js"), { fresh: true }),
  memo: await start("bench-memo", memo, { fresh: true }),
};

/** @type {Record<string, { worker: keyof typeof running, path: (index: number) => string, headers?: Record<string, string>, requests?: number }>} */
const contenders = {
  "a hit in memory": { worker: "cache", path: () => "/page" },
  "a 304 from memory": { worker: "cache", path: () => "/page", headers: { "if-none-match": '"a"' } },
  "a 304 of the origin": { worker: "cache", path: () => "/asked", requests: 1000 },
  "a miss that is not stored": { worker: "cache", path: (index) => `/miss?${index}`, requests: 1000 },
  "our plainest answer": { worker: "cache", path: () => "/api/health" },
  "an empty JavaScript Worker": { worker: "empty", path: () => "/v1/vitals" },
  "a map in memory": { worker: "memo", path: () => "/page" },
};
const names = Object.keys(contenders);

/** Processor time that a process has taken, in microseconds. @param {number} pid */
function taken(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

/** @param {string} name @param {number} requests */
async function load(name, requests) {
  const { worker, path, headers = {} } = contenders[name];
  let left = requests;
  const sender = async () => {
    while (left > 0) {
      left -= 1;
      const { status, text } = await running[worker].send(path(left), undefined, { host: "www.example", "accept-encoding": "gzip, br", "user-agent": "bench", ...headers });
      if (status >= 400) throw new Error(`${name}: ${status}: ${text}`);
    }
  };
  await Promise.all(Array.from({ length: SENDERS }, sender));
}

/** @type {Record<string, number[]>} */
const costs = Object.fromEntries(names.map((name) => [name, []]));
/** Milliseconds that a purge of a tag takes, at so many entries that carry it. @type {number[]} */
const purges = [];
try {
  for (const name of names) await load(name, 500);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const name of names) {
      const { worker, requests = REQUESTS } = contenders[name];
      const before = taken(running[worker].pid);
      await load(name, requests);
      costs[name].push((taken(running[worker].pid) - before) / requests);
    }
  }
  for (const entries of [10, MANY]) {
    let left = entries;
    await Promise.all(
      Array.from({ length: SENDERS }, async () => {
        while (left > 0) {
          left -= 1;
          await running.cache.send(`/many/${entries}/${left}`, undefined, { host: "www.example" });
        }
      }),
    );
    const times = [];
    for (let turn = 0; turn < 20; turn += 1) {
      const began = performance.now();
      const { status, text } = await running.cache.send("/api/cache/purge", JSON.stringify({ tag: "a" }), { authorization: `Bearer ${TOKEN}` });
      if (status !== 200) throw new Error(`a purge: ${status}: ${text}`);
      times.push(performance.now() - began);
    }
    purges.push(median(times));
  }
} finally {
  await Promise.all(Object.values(running).map((workerd) => workerd.kill()));
  origin.close();
  origin.closeAllConnections();
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
    unit: "µs of workerd's processor time",
    ratio: round3(ratio),
    against: `${peer}, ${round3(median(costs[peer]))} µs`,
    goal,
    met: ratio <= goal,
  };
}
const purge = { name: `a purge at ${MANY} entries against one at 10`, value: round3(purges[1]), unit: "ms", ratio: round3(purges[1] / purges[0]), against: `at 10, ${round3(purges[0])} ms`, goal: 2, met: purges[1] <= purges[0] * 2 };
const figures = [
  figure("a hit in memory", "our plainest answer", 1.3),
  figure("a hit in memory", "a map in memory", 1),
  figure("a hit in memory", "an empty JavaScript Worker", 3),
  figure("a 304 from memory", "our plainest answer", 1.3),
  figure("a 304 of the origin", "a miss that is not stored", 1.2),
  purge,
];
console.log(JSON.stringify({ figures }, null, 2));
