// What is pushed: a backend that fails in every way, keys that change, clocks that differ, and workerd
// killed at any moment. In the end the receiver's store is the ledger, window for window.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { isDeepStrictEqual } from "node:util";

import { product, seeded, start } from "../faults/workerd.mjs";
import { beacon, DESKTOP } from "../product.mjs";
import { backend, SECRETS } from "./backend.mjs";
import { withCron } from "./cron.mjs";
import { described } from "./described.mjs";

const MINUTE = 60_000;
const PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Mobile/15E148";
const MANAGE = { authorization: "Bearer manage" };
const READ = { authorization: "Bearer read" };

/** @type {Awaited<ReturnType<typeof backend>>} */
let receiver;
/** @type {ReturnType<typeof described>} */
let check;
/** @type {ReturnType<typeof product>} */
let worker;
/** @type {Awaited<ReturnType<typeof start>>} */
let workerd;
// Windows from half an hour ago on, each of which closes at once.
const since = Math.floor(Date.now() / MINUTE) * MINUTE - 30 * MINUTE;
const to = since + 28 * MINUTE;

/** @param {Awaited<ReturnType<typeof backend>>} receiver */
const pushing = (receiver) =>
  withCron(
    product({
      SHARDS: "2",
      READ_TOKEN: "read",
      MANAGE_TOKEN: "manage",
      BACKEND_HEALTH_URL: receiver.url,
      PUSH_KEYS: Object.entries(SECRETS).map(([id, secret]) => `${id}:${secret}`).join("\n"),
      PUSH_EVERY: "minute",
      PUSH_SINCE: String(since),
    }),
  );

before(async () => {
  receiver = await backend();
  worker = pushing(receiver);
  workerd = await start("push", worker, { fresh: true });
  check = described((await workerd.send("/api/openapi.json")).text);
  const random = seeded(7);
  // Some windows have many views, some have none.
  for (let index = 0; index < 240; index += 1) {
    const at = since + Math.floor(random() ** 2 * 27) * MINUTE + Math.floor(random() * MINUTE);
    await visit(workerd, at, { LCP: 500 + Math.floor(random() * 4000), CLS: Math.floor(random() * 3000) }, index);
  }
});
after(async () => {
  await workerd?.kill();
  receiver?.close();
});

/** @param {Awaited<ReturnType<typeof start>>} workerd @param {number} at when it began @param {Record<string, number>} m @param {number} index */
async function visit(workerd, at, m, index) {
  const told = beacon({ id: (index * 2654435761 + 1).toString(16).padStart(24, "0"), path: ["/", "/cart", `/product/${index}`][index % 3], age: Date.now() - at, m });
  const { status, text } = await workerd.send("/v1/vitals", JSON.stringify(told), { "user-agent": index % 2 ? PHONE : DESKTOP });
  assert.equal(status, 200, text);
}

/** The Worker's cron. @param {Awaited<ReturnType<typeof start>>} workerd */
async function cron(workerd) {
  assert.equal((await workerd.send("/cron")).status, 200, workerd.errors());
}

/** @param {string} path @param {Record<string, string>} [headers] @param {string} [body] */
async function call(path, headers = {}, body = undefined) {
  const { status, text } = await workerd.send(path, body, headers);
  check(body === undefined ? "GET" : "POST", path, status, status < 400 ? "application/json" : "application/problem+json", text);
  return { status, body: JSON.parse(text) };
}

/** Every figure of a window, by what it is of: from the ledger and from the latest documents. */
async function ledger() {
  const { status, text } = await workerd.send(`/api/vitals/series?site=demo&step=minute&by=route,device&from=${since}&to=${to - 1}&limit=5000`);
  assert.equal(status, 200, text);
  /** @type {Record<string, unknown>} */
  const told = {};
  for (const { at, group, metric, n, p50, p75, p95, good, poor } of JSON.parse(text).lines) {
    told[`${at} ${group.route} ${group.device} ${metric}`] = { n, p50, p75, p95, good, poor };
  }
  return told;
}

/** @param {Awaited<ReturnType<typeof backend>>} receiver */
function store(receiver) {
  /** @type {Map<number, import("../../pkg/types/backend.js").Push>} */
  const latest = new Map();
  for (const push of receiver.stored.values()) {
    const known = latest.get(+push.start);
    if (!known || known.revision < push.revision) latest.set(+push.start, push);
  }
  /** @type {Record<string, unknown>} */
  const told = {};
  for (const [start, { document }] of latest) {
    assert.deepEqual([document.start, document.end, document.span, document.site], [start, start + MINUTE, "minute", "demo"]);
    for (const { route, device, metric, n, p50, p75, p95, good, poor } of document.cells) {
      if (start < to) told[`${start} ${route} ${device} ${metric}`] = { n, p50, p75, p95, good, poor };
    }
  }
  return told;
}

/** Whether each window is there. @param {Awaited<ReturnType<typeof backend>>} receiver @param {number} [end] */
const hasAll = (receiver, end = to) => Array.from({ length: (end - since) / MINUTE }, (_, index) => `demo.minute.${since + index * MINUTE}.0`).every((key) => receiver.stored.has(key));

test("whatever the backend does, its store is the ledger, window for window", async () => {
  receiver.script.push("take", { status: 500 }, "take", "lose", "reset-after", "take", { status: 429, headers: { "retry-after": "2" } }, "take", { status: 503 }, "lose", "hold");
  await cron(workerd);
  await receiver.until(() => receiver.holding.length > 0 || receiver.answered.length === 11);
  // While the backend is silent, visits are taken and read.
  await visit(workerd, to - MINUTE + 1, { LCP: 1111 }, 999);
  assert.equal((await call("/api/push?site=demo", READ)).body.backends[0].circuit, "closed");
  receiver.holding.shift()?.();
  await receiver.until(() => hasAll(receiver));
  // One came late: the cron tells its window again.
  await cron(workerd);
  const expected = await ledger();
  await receiver.until(() => isDeepStrictEqual(store(receiver), expected));
  const found = store(receiver);
  assert.ok(Object.keys(found).length > 100, `${Object.keys(found).length} figures`);
  assert.deepEqual(receiver.answered.slice(0, 11), [200, 500, 200, 0, 0, 200, 429, 200, 503, 0, 200]);
  const [{ waiting, trouble, parked }] = (await call("/api/push?site=demo", READ)).body.backends;
  assert.deepEqual([waiting, trouble, parked], [0, undefined, []]);
});

test("what comes late is told again, as a later revision of the same window", async () => {
  const at = since + 3 * MINUTE;
  await visit(workerd, at + 5, { LCP: 3210, CLS: 1 }, 3000);
  await cron(workerd);
  await receiver.until(() => receiver.stored.has(`demo.minute.${at}.1`));
  assert.deepEqual(store(receiver), await ledger());
  const [first, second] = [0, 1].map((revision) => receiver.stored.get(`demo.minute.${at}.${revision}`)?.document);
  assert.equal(second.views, first.views + 1);
  await cron(workerd);
  assert.ok(!receiver.stored.has(`demo.minute.${at}.2`), "what has not changed is not told again");
});

test("what can never succeed is put aside, shown, and sent again by call", async () => {
  const at = since + 4 * MINUTE;
  receiver.script.push({ status: 422 });
  await visit(workerd, at + 5, { LCP: 1 }, 4000);
  await visit(workerd, at + MINUTE + 5, { LCP: 1 }, 4001);
  await cron(workerd);
  await receiver.until(() => receiver.stored.has(`demo.minute.${at + MINUTE}.1`));
  const { body } = await call("/api/push?site=demo", READ);
  assert.deepEqual(body.backends[0].parked.map((/** @type {any} */ { key, status }) => [key, status]), [[`demo.minute.${at}.1`, 422]]);
  assert.equal((await call("/api/push?site=demo")).status, 401);
  assert.equal((await call("/api/push/retry?site=demo", READ, "{}")).status, 401, "to read is not to manage");
  assert.equal((await call("/api/push/retry?site=demo", MANAGE, '{"seqs":1}')).status, 400);
  assert.deepEqual((await call("/api/push/retry?site=demo", MANAGE, "{}")).body, { v: 1, site: "demo", again: 1 });
  await receiver.until(() => receiver.stored.has(`demo.minute.${at}.1`));
  assert.deepEqual(store(receiver), await ledger());
});

test("keys change in mid-flight, in any order", async () => {
  const at = since + 6 * MINUTE;
  receiver.settings.keys = { "2027-02": SECRETS["2027-02"] };
  await visit(workerd, at + 5, { LCP: 1 }, 5000);
  await cron(workerd);
  await receiver.until(() => receiver.stored.has(`demo.minute.${at}.1`));
  assert.equal(receiver.answered.filter((status) => status === 401).length, 1, "the other key was tried at once");
  receiver.settings.keys = SECRETS;
  await visit(workerd, at + MINUTE + 5, { LCP: 1 }, 5001);
  await cron(workerd);
  await receiver.until(() => receiver.stored.has(`demo.minute.${at + MINUTE}.1`));
  assert.deepEqual(store(receiver), await ledger());
});

test("a backend whose clock is wrong holds the queue until it is put right", async () => {
  const at = since + 8 * MINUTE;
  receiver.settings.now = () => Date.now() + 10 * MINUTE;
  await visit(workerd, at + 5, { LCP: 1 }, 6000);
  const before = receiver.answered.length;
  await cron(workerd);
  await receiver.until(() => receiver.answered.length >= before + 2);
  const { trouble, waiting } = await until(async () => (await call("/api/push?site=demo", READ)).body.backends[0], ({ trouble }) => trouble);
  assert.match(trouble, /responds with 401; check its URL and the signing key/);
  assert.ok(waiting > 0);
  receiver.settings.now = Date.now;
  await call("/api/push/retry?site=demo", MANAGE, "{}");
  await receiver.until(() => receiver.stored.has(`demo.minute.${at}.1`));
  assert.deepEqual(store(receiver), await ledger());
});

test("killed at any step, workerd tells each window once in effect", async () => {
  const other = await backend();
  const random = seeded(20261121);
  await workerd.kill();
  let kills = 0;
  try {
    // Each start is a new life of the same storage, with another backend that has nothing yet.
    const named = { ...pushing(other) };
    named.bindings = named.bindings.map((binding) => binding.replace(`text = "${other.url}"`, `text = "other=${other.url}"`));
    while (!hasAll(other)) {
      workerd = await start("push", named);
      const moment = other.answered.length + 1 + Math.floor(random() * 4);
      // The answer of some is never heard of: who was killed before it could store that it was answered.
      other.script.push(...["take", "reset-after", "take"].slice(0, Math.floor(random() * 4)).map((way) => /** @type {import("./backend.mjs").Way} */ (way)));
      await cron(workerd);
      await other.until(() => other.answered.length >= moment || hasAll(other));
      if (hasAll(other)) break;
      await workerd.kill();
      kills += 1;
    }
    console.log(`${kills} kills, ${other.answered.length} requests, ${other.stored.size} stored`);
    assert.ok(kills >= 5, `${kills} kills`);
    assert.deepEqual(store(other), await ledger());
  } finally {
    other.close();
  }
});

/** Asks until it holds. @template T @param {() => Promise<T>} ask @param {(found: T) => unknown} holds */
async function until(ask, holds) {
  for (let tries = 0; ; tries += 1) {
    const found = await ask();
    if (holds(found) || tries === 500) return found;
  }
}
