// Large reads beside beacons on one object: beacons do not wait for the reads that came before them, none is refused, and
// everything that was acknowledged is counted. `cargo xtask bench` has no part for it, because its figures are those of the
// whole machine: READS_SECONDS makes this file send two hundred beacons a second beside as many reads as there can be.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { createClient, product, start } from "../faults/workerd.mjs";
import { beacon, DESKTOP } from "../product.mjs";

const VIEWS = 1_600;
const SECONDS = Number(process.env.READS_SECONDS ?? 0);
const READERS = 200;
const BEACONS_PER_SECOND = 200;

/** @type {Awaited<ReturnType<typeof start>>} */
let workerd;
/** @type {ReturnType<typeof createClient>} */
let reader;
before(async () => {
  workerd = await start("reads", product(), { fresh: true });
  reader = createClient(workerd.port);
  for (let sent = 0; sent < VIEWS; sent += 100) {
    const views = Array.from({ length: 100 }, (_, index) => beacon({ path: `/section-${(sent + index) % 100}`, release: `r${(sent + index) % 37}`, age: ((sent + index) % 60) * 60_000 }));
    assert.ok((await Promise.all(views.map(send))).every((status) => status === 200));
  }
  assert.equal(await countedViews(), VIEWS);
});
after(async () => {
  reader?.close();
  await workerd?.kill();
});

/** @param {unknown} body */
const send = async (body) => (await workerd.send("/v1/vitals", JSON.stringify(body), { "user-agent": DESKTOP })).status;

/** Reads a day. No two queries are alike, so that no cache answers. @param {number} number */
const read = async (number) => (await reader.send(`/api/vitals/summary?site=demo&from=${Date.now() - 6 * 3_600_000 - number * 60_000}`)).status;

async function countedViews() {
  const { status, text } = await workerd.send(`/api/vitals/summary?site=demo&from=${Date.now() - 6 * 3_600_000}`);
  assert.equal(status, 200, text);
  return JSON.parse(text).views;
}

test("beacons do not wait for the reads that came before them", async () => {
  let answered = 0;
  const reads = Array.from({ length: 30 }, (_, number) => read(number).then((status) => ((answered += Number(status === 200)), status)));
  // The first reply shows that the others have arrived.
  await Promise.race(reads);
  const earlier = answered;
  const statuses = await Promise.all(Array.from({ length: 20 }, () => send(beacon({ path: "/live" }))));
  const meanwhile = answered - earlier;
  assert.deepEqual([...new Set(statuses)], [200], workerd.errors());
  const answers = await Promise.all(reads);
  console.log(`20 beacons beside 30 reads: ${meanwhile} reads were answered meanwhile; ${answers.filter((status) => status === 200).length} in all`);
  assert.ok(meanwhile < 15, `${meanwhile} of 30 reads were answered before 20 beacons were stored`);
  assert.ok(answers.includes(200) && answers.every((status) => status === 200 || status === 503), String(answers));
  assert.equal(await countedViews(), VIEWS + 20, "what was acknowledged is counted");
});

test("two hundred beacons a second are stored beside as many reads as there can be", { skip: SECONDS === 0 }, async () => {
  const earlier = await countedViews();
  const end = Date.now() + SECONDS * 1000;
  /** @type {Record<number, number>} */
  const reads = {};
  const readers = Array.from({ length: READERS }, async (_, index) => {
    for (let round = 0; Date.now() < end; round += 1) {
      const status = await read(index + READERS * (round % 20));
      reads[status] = (reads[status] ?? 0) + 1;
    }
  });
  /** @type {number[]} */
  const times = [];
  /** @type {Promise<number>[]} */
  const sends = [];
  const begun = Date.now();
  const used = workerd.processorSeconds();
  while (Date.now() < end) {
    for (; sends.length < ((Date.now() - begun) / 1000) * BEACONS_PER_SECOND; ) {
      const at = performance.now();
      sends.push(send(beacon({ path: "/live" })).then((status) => (times.push(performance.now() - at), status)));
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const statuses = await Promise.all(sends);
  await Promise.all(readers);
  times.sort((a, b) => a - b);
  const [p50, p99] = [0.5, 0.99].map((share) => times[Math.floor((times.length - 1) * share)].toFixed(0));
  console.log(`${times.length} beacons in ${SECONDS} s: p50 ${p50} ms, p99 ${p99} ms, ${(workerd.processorSeconds() - used).toFixed(1)} s of processor, ${statuses.filter((status) => status !== 200).length} refused; reads by status ${JSON.stringify(reads)}`);
  assert.ok(statuses.every((status) => status === 200), workerd.errors());
  assert.ok(Number(p99) <= 100, `${p99} ms`);
  assert.equal(await countedViews(), earlier + sends.length);
});
