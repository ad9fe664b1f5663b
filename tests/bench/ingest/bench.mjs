// Processor time, user and system, of workerd for a durable acknowledgement of a beacon, compared with
// a Worker that only responds, a Durable Object that only responds, one that stores bodies unread, and
// a collector in plain JavaScript with the same guarantee. Prints figures as JSON. Requests per second
// would depend on the machine; ratios within one run do not.
import { readFileSync } from "node:fs";

import { DESKTOP } from "../../product.mjs";
import { benchWorker, createRandom, product, script, start } from "../../faults/workerd.mjs";

const ROUNDS = Number(process.argv[2] ?? 7);
const REQUESTS = 3000;
const SENDERS = 32;

const contenders = {
  answer: script("tests/bench/ingest/answer.js"),
  hop: script("tests/bench/ingest/hop.js", ["Hop"]),
  floor: script("tests/bench/ingest/floor.js", ["Floor"]),
  collector: script("tests/bench/ingest/collector.js", ["Collector"]),
  durable: product(),
};
/** @typedef {keyof typeof contenders} Name */
const names = /** @type {Name[]} */ (Object.keys(contenders));

const random = createRandom(4);
/** Creates a beacon such as a shop's page sends. */
function beacon() {
  const id = Array.from({ length: 24 }, () => Math.floor(random() * 16).toString(16)).join("");
  const slow = Math.exp(random() * 1.2);
  return JSON.stringify({
    v: 1, site: "demo", id, view: 0, seq: 0, nav: "navigate", path: `/product/${Math.floor(random() * 1000)}`, age: 4000 + Math.floor(random() * 60_000),
    m: { FCP: Math.floor(700 * slow), LCP: Math.floor(1100 * slow), CLS: Math.floor(random() * 1500), INP: Math.floor(40 + random() * 200), TTFB: Math.floor(100 * slow) },
    release: "2026.11.1",
  });
}

/** Processor time of a process in microseconds. @param {number} pid */
function cpuTime(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
  // Fields 14 and 15, in hundredths of a second.
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

/** @param {Awaited<ReturnType<typeof start>>} workerd @param {string[]} bodies */
async function load(workerd, bodies) {
  const left = [...bodies];
  const sender = async () => {
    for (let body = left.pop(); body !== undefined; body = left.pop()) {
      const { status, text } = await workerd.send("/v1/vitals", body, { "user-agent": DESKTOP, "content-type": "text/plain" });
      if (status !== 200 && status !== 204) throw new Error(`${status}: ${text}`);
    }
  };
  await Promise.all(Array.from({ length: SENDERS }, sender));
}

/** Counts calls and bytes between JavaScript and Rust for each request to a Worker. @param {string} name @param {ReturnType<typeof product>} worker */
async function measureCrossings(name, { modules, ...rest }) {
  const [counting, main] = ["counting.js", "crossings.js"].map((file) => new URL(file, import.meta.url).pathname);
  const workerd = await start(`bench-crossings-${name}`, { ...rest, modules: { "crossings.js": main, "counting.js": counting, ...modules } }, { fresh: true });
  try {
    const read = async () => /** @type {{ calls: number, bytes: number, memory: number }} */ (JSON.parse((await workerd.send("/crossings")).text));
    // One-time work is done during the first requests.
    await load(workerd, Array.from({ length: REQUESTS / 10 }, beacon));
    const before = await read();
    await load(workerd, Array.from({ length: REQUESTS }, beacon));
    const after = await read();
    return { calls: (after.calls - before.calls) / REQUESTS, bytes: (after.bytes - before.bytes) / REQUESTS, grown: (after.memory - before.memory) / REQUESTS };
  } finally {
    await workerd.kill();
  }
}

const running = Object.fromEntries(await Promise.all(names.map(async (name) => [name, await start(`bench-${name}`, contenders[name], { fresh: true })])));
/** @type {Record<string, number[]>} */
const costs = Object.fromEntries(names.map((name) => [name, []]));
try {
  for (const name of names) await load(running[name], Array.from({ length: REQUESTS }, beacon));
  for (let round = 0; round < ROUNDS; round += 1) {
    const bodies = Array.from({ length: REQUESTS }, beacon);
    for (const name of names) {
      const before = cpuTime(running[name].pid);
      await load(running[name], bodies);
      costs[name].push((cpuTime(running[name].pid) - before) / REQUESTS);
    }
  }
} finally {
  await Promise.all(names.map((name) => running[name].kill()));
}

const median = (/** @type {number[]} */ values) => [...values].sort((a, b) => a - b)[values.length >> 1];
/** Compares round by round, because the load of the machine changes between rounds. @param {Name} peer */
const ratio = (peer) => median(costs.durable.map((cost, round) => cost / costs[peer][round]));
const round3 = (/** @type {number} */ value) => Math.round(value * 1000) / 1000;
/** @param {Name} peer @param {number} goal */
const figure = (peer, goal) => ({
  name: `durable beacon against ${peer}`,
  value: round3(median(costs.durable)),
  unit: "µs of workerd's processor time",
  ratio: round3(ratio(peer)),
  against: `${peer}, ${round3(median(costs[peer]))} µs`,
  goal,
  met: ratio(peer) <= goal,
});
// Storing bodies unread is the floor of durability, and only responding that of any Worker: the
// difference is the cost of parsing, judging and storing a beacon so that it can be corrected.
const [durable, least] = [await measureCrossings("durable", product()), await measureCrossings("empty", benchWorker("empty"))];
const sent = median(Array.from({ length: 100 }, () => beacon().length));
/** @param {string} name @param {string} unit @param {number} value @param {number} peer @param {string} against @param {number} goal */
const crossing = (name, unit, value, peer, against, goal) => ({ name, value: round3(value), unit, ratio: round3(value / peer), against, goal, met: value <= goal * peer });
const figures = [
  figure("hop", 1.15),
  figure("floor", 1.2),
  figure("collector", 1),
  figure("answer", 10),
  crossing("calls between JavaScript and Rust for a beacon", "calls", durable.calls, least.calls, `the smallest Worker in Rust, ${round3(least.calls)}`, 1),
  crossing("bytes handed to Rust for a beacon", "bytes", durable.bytes, sent, `the beacon itself, ${sent} bytes`, 3),
  crossing("growth of Rust's memory for a beacon", "bytes", durable.grown, sent, `the beacon itself, ${sent} bytes`, 0.1),
];
console.log(JSON.stringify({ figures }, null, 2));
