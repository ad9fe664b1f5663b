// The longest run of an object without a pause, in processor time of workerd: while the object works, a page asks for
// nothing again and again, and the processor time that passes until it is answered is that of one run, or of several that
// follow each other. Prints figures as JSON, or readable lines with an argument.
import { readdirSync, readFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";

import { createClient, databases, product, start } from "../../faults/workerd.mjs";
import { beacon, DESKTOP } from "../../product.mjs";

const GOAL_MS = 20;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const ROUTES = 500;
const SERIES = 2_000;
const main = new URL("turns.js", import.meta.url).pathname;
const worker = { ...product(), modules: { "turns.js": main, ...product().modules } };

/** @param {Awaited<ReturnType<typeof start>>} workerd @param {any[]} views */
async function send(workerd, views) {
  const statuses = await Promise.all(views.map((view) => workerd.send("/v1/vitals", JSON.stringify(view), { "user-agent": DESKTOP })));
  const refused = statuses.find(({ status }) => status !== 200);
  if (refused) throw new Error(`a beacon was answered with ${refused.status}: ${refused.text}`);
}

/** The variable-length form of a number, and bytes after their length. @param {number} value */
function varint(value) {
  const bytes = [];
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) + 128);
  return Buffer.from([...bytes, value]);
}
/** @param {Uint8Array} bytes */
const sized = (bytes) => Buffer.concat([varint(bytes.length), bytes]);

/** Reads the first cell of a pack. @param {Uint8Array} pack */
function firstCell(pack) {
  let at = 1;
  const number = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = pack[at++];
      value += (byte % 128) * factor;
      if (byte < 128) return value;
    }
  };
  const bytes = () => {
    const length = number();
    return pack.subarray(at, (at += length));
  };
  number();
  number();
  return { series: Buffer.from(bytes()).toString(), cell: Buffer.from(bytes()) };
}

/** The statistics of one class of responses, as a shard stores them: none. */
const ROUTE_STATS = Buffer.from([1, 0, 0]);

/** Fills the tables of a site with a month of many series, pages and routes. @param {string} file */
function fill(file) {
  const database = new DatabaseSync(file);
  const today = Math.floor(Date.now() / DAY) * DAY;
  const { series, cell } = firstCell(/** @type {any} */ (database.prepare("SELECT cells FROM packs").get()).cells);
  const labels = JSON.parse(series);
  const names = Array.from({ length: SERIES }, (_, index) => JSON.stringify({ ...labels, r: `/section-${String(index % ROUTES).padStart(3, "0")}`, v: `r${Math.floor(index / ROUTES)}` })).sort();
  database.exec("BEGIN; DELETE FROM packs");
  const insertPack = database.prepare("INSERT INTO packs VALUES (1, ?, ?, ?)");
  for (let hour = today - 3 * DAY; hour < Date.now() - 3 * HOUR; hour += HOUR) {
    for (let from = 0; from < SERIES; from += 200) {
      const part = names.slice(from, from + 200);
      const cells = part.map((name) => Buffer.concat([varint(hour), sized(Buffer.from(name)), sized(cell)]));
      insertPack.run(hour, from === 0 ? "" : part[0], Buffer.concat([Buffer.from([1]), varint(part.length), ...cells]));
    }
  }
  const horizon = { minutes: Math.floor((Date.now() - 3 * HOUR) / HOUR) * HOUR, hours: today - 35 * DAY, days: today - 400 * DAY, pages: 0 };
  database.prepare("INSERT OR REPLACE INTO facts VALUES ('horizon', ?)").run(JSON.stringify(horizon));
  const insertCauses = database.prepare("INSERT OR REPLACE INTO causes VALUES (?, ?, 'phone', 'LCP', ?)");
  const elements = Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`main>div.card-${index}>img`, index + 1]));
  const causes = JSON.stringify([1, { n: 465, timed: 465, millis: [1, 2, 3, 4], elements, sources: elements }]);
  for (let day = today - 28 * DAY; day < today; day += DAY) for (let route = 0; route < ROUTES; route += 1) insertCauses.run(day, `/section-${route}`, causes);
  const insertTraffic = database.prepare("INSERT OR REPLACE INTO traffic VALUES (?, ?, ?, 1, ?)");
  for (let hour = today - 28 * DAY; hour < today; hour += HOUR) for (let route = 0; route < 200; route += 1) insertTraffic.run(1, hour, `/section-${route}`, ROUTE_STATS);
  for (let minute = Math.floor(Date.now() / HOUR) * HOUR - 4 * HOUR; minute < Date.now(); minute += 60_000) for (let route = 0; route < 200; route += 1) insertTraffic.run(0, minute, `/section-${route}`, ROUTE_STATS);
  database.prepare("INSERT OR REPLACE INTO facts VALUES ('traffic-horizon', ?)").run(JSON.stringify({ ...horizon, minutes: horizon.minutes - 2 * HOUR }));
  database.exec("COMMIT");
  database.close();
}

/** The processor time of each thread of a process, in milliseconds. @param {number} pid */
function threadTimes(pid) {
  /** @type {Map<string, number>} */
  const times = new Map();
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    times.set(thread, Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]) / 1e6);
  }
  return times;
}

/** The largest processor time of a thread since. @param {number} pid @param {Map<string, number>} since */
function busiestSince(pid, since) {
  return Math.max(...[...threadTimes(pid)].map(([thread, time]) => time - (since.get(thread) ?? 0)));
}

/** @param {Awaited<ReturnType<typeof start>>} workerd @param {() => Promise<unknown>} work */
async function longestRun(workerd, work) {
  let isDone = false;
  const before = threadTimes(workerd.pid);
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error("the object does not answer")), 60_000).unref());
  const done = Promise.race([work(), late]).finally(() => (isDone = true));
  const pinger = createClient(workerd.port);
  let longest = 0;
  while (!isDone) {
    const since = threadTimes(workerd.pid);
    await pinger.send("/ping");
    longest = Math.max(longest, busiestSince(workerd.pid, since));
  }
  await done;
  pinger.close();
  return { longest, all: busiestSince(workerd.pid, before) };
}

/** @param {string} name @param {object | null} request */
const shardRequest = (name, request) => async (/** @type {Awaited<ReturnType<typeof start>>} */ workerd) => {
  const { status, text } = await workerd.send("/shard", JSON.stringify({ [name]: request }));
  if (status !== 200) throw new Error(`${name}: ${status} ${text} ${workerd.errors()}`);
};

/** @param {string[]} by @param {number} days @param {[string, string][]} [only] */
const query = (by, days, only = []) => shardRequest("RunQuery", { query: { from: Math.floor(Date.now() / DAY - days) * DAY, to: Date.now(), by, only }, with_latest_budgets: false });

const from = Math.floor(Date.now() / DAY - 30) * DAY;
/** @type {[string, (workerd: Awaited<ReturnType<typeof start>>) => Promise<unknown>][]} */
const WORK = [
  ["a fold of 2,500 views with causes", async (workerd) => query(["Route"], 0)(workerd)],
  ["the roll-up of hours, sums of days and traffic", shardRequest("Wake", { coordinated_site: null })],
  ["cells of two days by route and release", query(["Route", "Release"], 2)],
  ["cells of one release by route and device", query(["Route", "Device"], 2, [["Release", "r1"]])],
  ["causes of a month of 500 routes", shardRequest("CauseQuery", { from, to: Date.now(), route: null, device: null })],
  ["request statistics of a month of 200 routes", shardRequest("TrafficQuery", { span: "Day", from, to: Date.now() })],
  ["limits of the last days", shardRequest("ReadLimitCounts", null)],
  ["sums of slices and pages", async (workerd) => (await query(["Release"], 2)(workerd), query(["Route", "Device"], 2)(workerd))],
  ["the cron of the coordinator", shardRequest("Wake", { coordinated_site: "demo" })],
];

/** Work that changes the tables, so that it is not repeated. */
const ONCE = /^(a fold|the roll-up|the cron)/;

let workerd = await start("bench-turns", worker, { fresh: true });
await send(workerd, Array.from({ length: 40 }, (_, index) => beacon({ path: "/section", m: { LCP: 1000 + 37 * index, FCP: 500 + 31 * index, CLS: index, INP: 40 + index, TTFB: 100 + index } })));
await query(["Route"], 0)(workerd);
await workerd.kill();
fill(databases(workerd.storage, "Shard")[0]);
workerd = await start("bench-turns", worker);
const a = { LCP: { t: "main>img", u: "/hero.avif", p: [10, 20, 30, 40] } };
for (let sent = 0; sent < 2_500; sent += 100) {
  await send(workerd, Array.from({ length: 100 }, (_, index) => beacon({ path: `/section-${(sent + index) % ROUTES}`, m: { LCP: 5000, CLS: 3, FCP: 900, INP: 70, TTFB: 90 }, a })));
}
const figures = [];
try {
  for (const [name, work] of WORK) {
    let { longest, all } = await longestRun(workerd, () => work(workerd));
    // The collector of garbage pauses at other times.
    for (let repeat = 1; repeat < 3 && !ONCE.test(name); repeat += 1) longest = Math.min(longest, (await longestRun(workerd, () => work(workerd))).longest);
    if (process.argv[2]) console.error(`${name}: ${longest.toFixed(1)} ms at once, ${all.toFixed(0)} ms in all`);
    figures.push({ name: `longest run of an object: ${name}, ${all.toFixed(0)} ms in all`, value: longest, unit: "ms", ratio: longest / GOAL_MS, against: `the limit of ${GOAL_MS} ms`, goal: 1 });
  }
} finally {
  await workerd.kill();
}
console.log(JSON.stringify({ figures }));
