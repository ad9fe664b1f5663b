// Time from the start of workerd to its first response to a beacon, with a cold isolate: the product beside a
// collector in plain JavaScript with the same guarantee. The processor time that the product adds to a Worker that only
// responds, all threads together, is compared with the platform's limit for starts. Prints figures as JSON.
import { readFileSync } from "node:fs";

import { beacon, DESKTOP } from "../../product.mjs";
import { product, script, start } from "../../faults/workerd.mjs";

const ROUNDS = Number(process.argv[2] ?? 15);
/** https://developers.cloudflare.com/workers/platform/limits/#worker-startup-time */
const PLATFORM_LIMIT_MS = 1_000;

const contenders = {
  answer: script("tests/bench/ingest/answer.js"),
  collector: script("tests/bench/ingest/collector.js", ["Collector"]),
  product: product(),
};
/** @typedef {keyof typeof contenders} Name */
const names = /** @type {Name[]} */ (Object.keys(contenders));

/** Processor time of a process in milliseconds. @param {number} pid */
function cpuTime(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
  // Fields 14 and 15, in hundredths of a second.
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** @param {Name} name */
async function measureStart(name) {
  const since = performance.now();
  const workerd = await start(`bench-start-${name}`, contenders[name], { fresh: true });
  try {
    const { status, text } = await workerd.send("/v1/vitals", JSON.stringify(beacon()), { "user-agent": DESKTOP, "content-type": "text/plain" });
    if (status !== 200 && status !== 204) throw new Error(`${name}: ${status}: ${text}`);
    return { elapsed: performance.now() - since, cpu: cpuTime(workerd.pid) };
  } finally {
    await workerd.kill();
  }
}

/** @type {Record<Name, { elapsed: number, cpu: number }[]>} */
const times = { answer: [], collector: [], product: [] };
// In turns, so that a busy moment of the machine falls on all of them.
for (let round = 0; round < ROUNDS; round += 1) for (const name of names) times[name].push(await measureStart(name));
const median = (/** @type {Name} */ name, /** @type {"elapsed" | "cpu"} */ of) => times[name].map((time) => time[of]).toSorted((a, b) => a - b)[ROUNDS >> 1];
const [collector, own] = [median("collector", "elapsed"), median("product", "elapsed")];
const cpu = median("product", "cpu") - median("answer", "cpu");
const figures = [
  { name: "first beacon of a cold isolate", value: own, unit: "ms", ratio: own / collector, against: `collector in JavaScript, ${collector.toFixed(0)} ms`, goal: 1.5 },
  { name: "start beyond an empty Worker", value: cpu, unit: "ms CPU", ratio: cpu / PLATFORM_LIMIT_MS, against: `the platform's limit, ${PLATFORM_LIMIT_MS} ms`, goal: 1 },
];
console.log(JSON.stringify({ figures }));
