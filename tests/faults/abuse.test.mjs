// One anonymous client floods the Worker with valid and invalid beacons, writes that purge, and large reads, all at once:
// honest beacons beside it are acknowledged, and what was acknowledged is counted. FLOOD_RATE and FLOOD_SECONDS make it as
// long as the nightly one, which is held to a time, too.
import assert from "node:assert/strict";
import http from "node:http";
import { after, before, test } from "node:test";
import { Worker } from "node:worker_threads";

import { beacon, DESKTOP } from "../product.mjs";
import { product, start } from "./workerd.mjs";

const RATE = Number(process.env.FLOOD_RATE ?? 500);
const SECONDS = Number(process.env.FLOOD_SECONDS ?? 0);
const HONEST_PER_SECOND = 50;
const MAX_P99_MS = 250;
const FLOODER = "192.0.2.66";
/** Those of wrangler.toml. */
const RATE_LIMITS = { "the limiter of networks": 6_000, "the limiter of sites": 60_000, "the limiter of reads": 120 };

const main = new URL("chaos.js", import.meta.url).pathname;
const origin = http.createServer((_, response) => void response.writeHead(200, { "cache-control": "max-age=60" }).end("a page"));

/** @type {Awaited<ReturnType<typeof start>>} */
let workerd;
before(async () => {
  await new Promise((resolve) => origin.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (origin.address());
  const EDGE = JSON.stringify({ routes: [{ host: "www.example", path: "/**", origin: `http://127.0.0.1:${port}`, purge_on_write: true }] });
  const worker = product({ EDGE, READ_TOKEN: "token", RATE_LIMITS });
  workerd = await start("abuse", { ...worker, modules: { "chaos.js": main, ...worker.modules } }, { fresh: true });
});
after(async () => {
  await workerd?.kill();
  origin.closeAllConnections();
  origin.close();
});

/** @param {string} path */
async function summary(path) {
  const { status, text } = await workerd.send(`/api/vitals/summary?site=${path}`, undefined, { authorization: "Bearer token" });
  assert.equal(status, 200, text);
  return JSON.parse(text);
}

test("honest beacons are acknowledged beside a client that floods, and all counts are exact", async () => {
  const seconds = SECONDS || 4;
  const flooder = new Worker(new URL("flooder.mjs", import.meta.url), { workerData: { port: workerd.port, rate: RATE, seconds, network: FLOODER } });
  /** @type {Promise<Record<string, Record<string, number>>>} */
  const flooded = new Promise((resolve, reject) => {
    flooder.once("message", resolve);
    flooder.once("error", reject);
  });
  /** @type {number[]} */
  const times = [];
  /** @type {Promise<number>[]} */
  const honest = [];
  const used = workerd.processorSeconds();
  const begun = performance.now();
  while (performance.now() - begun < seconds * 1_000) {
    for (; honest.length < ((performance.now() - begun) / 1_000) * HONEST_PER_SECOND; ) {
      const at = performance.now();
      const network = `198.51.100.${honest.length % 250}`;
      const body = JSON.stringify(beacon({ path: "/honest" }));
      honest.push(workerd.send("/v1/vitals", body, { "user-agent": DESKTOP, "cf-connecting-ip": network }).then(({ status }) => (times.push(performance.now() - at), status)));
    }
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  const statuses = await Promise.all(honest);
  const responses = await flooded;
  times.sort((a, b) => a - b);
  const [p50, p99] = [0.5, 0.99].map((share) => times[Math.floor((times.length - 1) * share)]);
  console.log(`${seconds} s at ${RATE} requests a second beside ${statuses.length} honest beacons: p50 ${p50.toFixed(0)} ms, p99 ${p99.toFixed(0)} ms; ${(workerd.processorSeconds() - used).toFixed(1)} s of processor; the flood by status ${JSON.stringify(responses)}`);
  const refusedHonest = statuses.filter((status) => status !== 200);
  assert.deepEqual(refusedHonest, [], `${refusedHonest.length} honest beacons were refused: ${workerd.errors().replaceAll(/^Warning.*\n/gm, "")}`);
  assert.equal((await summary("demo&route=/honest")).views, statuses.length);
  const { valid, invalid, purging } = responses;
  assert.equal((await summary("demo&route=/flooded")).views, valid[200]);
  assert.ok(valid[200] > 0 && invalid[400] > 0 && purging[200] > 0, JSON.stringify(responses));
  // Refusals arrive after the responses.
  const expected = [valid, invalid].flatMap((outcomes) => Object.entries(outcomes)).filter(([status]) => /^4\d\d$/.test(status)).reduce((total, [, count]) => total + count, 0);
  const counted = async () => {
    const refused = [await summary("demo"), await summary("-")].flatMap((counts) => Object.entries(counts.refused));
    return refused.filter(([reason]) => reason !== "limiter-unavailable").reduce((total, [, count]) => total + Number(count), 0);
  };
  let refused = await counted();
  for (const until = Date.now() + 20_000; refused !== expected && Date.now() < until; ) refused = await counted();
  assert.equal(refused, expected, "each refusal is counted once");
  assert.doesNotMatch(workerd.errors(), /RuntimeError|unreachable|panicked/);
  if (SECONDS > 0) assert.ok(p99 <= MAX_P99_MS, `p99 ${p99} ms`);
});
