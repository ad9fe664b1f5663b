// Time of a read over 1, 16, 64 and 256 shards, each of which replies after 50 ms. Prints figures as JSON.
import { product, start } from "../../faults/workerd.mjs";

const READS = Number(process.argv[2] ?? 9);
const SHARDS = [1, 16, 64, 256];
const main = new URL("slow-shards.js", import.meta.url).pathname;

/** @param {number} shards */
async function readTime(shards) {
  const worker = product({ SHARDS: String(shards) });
  const workerd = await start(`bench-reads-${shards}`, { ...worker, modules: { "slow-shards.js": main, ...worker.modules } }, { fresh: true });
  try {
    const times = [];
    // The first read starts the shards, and they remember their replies.
    for (let read = -2; read < READS; read += 1) {
      const since = performance.now();
      const { status, text } = await workerd.send("/api/vitals/summary?site=demo");
      if (status !== 200 || (read >= 0 && JSON.parse(text).shards)) throw new Error(`${shards} shards: ${status}: ${text}`);
      if (read >= 0) times.push(performance.now() - since);
    }
    return times.toSorted((a, b) => a - b)[READS >> 1];
  } finally {
    await workerd.kill();
  }
}

/** @type {number[]} */
const times = [];
for (const shards of SHARDS) times.push(await readTime(shards));
const figures = SHARDS.slice(1).map((shards, index) => ({
  name: `a read of ${shards} shards`, value: times[index + 1], unit: "ms", ratio: times[index + 1] / times[0], against: `one shard, ${times[0].toFixed(0)} ms`, goal: 2,
}));
console.log(JSON.stringify({ figures }));
