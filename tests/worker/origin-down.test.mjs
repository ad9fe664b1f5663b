// An origin that stops: who is told what, and when. In the suite data is made older in place of waiting;
// with DRILL=1 (`cargo xtask soak origin-down`) everything happens in its own time, at one visit a second, and each second
// is printed as in docs/alerts.md.
import assert from "node:assert/strict";
import http from "node:http";
import { after, before, test } from "node:test";

import { product, start } from "../faults/workerd.mjs";
import { withCron } from "./cron.mjs";
import { createChecker } from "./openapi.mjs";
import { changeDatabase, shiftAlerts } from "./time-shift.mjs";

const READ = { authorization: "Bearer read" };
const IS_DRILL = process.env.DRILL === "1";
const NAME = IS_DRILL ? "origin-drill" : "origin-down";

/** The notifications that arrived. @type {{ at: number, body: any }[]} */
const notices = [];
const receiver = http.createServer(async (request, response) => {
  let text = "";
  for await (const chunk of request) text += chunk;
  notices.push({ at: Date.now(), body: JSON.parse(text) });
  response.writeHead(202).end();
});
const origin = http.createServer((_, response) => response.writeHead(200, { "cache-control": "max-age=1" }).end("hello"));

/** @type {number} */
let port;
/** @type {ReturnType<typeof createChecker>} */
let check;
/** @type {ReturnType<typeof product>} */
let worker;
/** @type {Awaited<ReturnType<typeof start>>} */
let workerd;

/** @param {http.Server} server @param {number} [wanted] */
const listen = (server, wanted = 0) => new Promise((/** @type {(port: number) => void} */ resolve) => server.listen(wanted, "127.0.0.1", () => resolve(/** @type {import("node:net").AddressInfo} */ (server.address()).port)));
/** @param {http.Server} server */
function stop(server) {
  server.close();
  server.closeAllConnections();
}
const settings = (/** @type {number} */ channel) => ({
  READ_TOKEN: "read",
  DASHBOARD_URL: "https://vitals.example",
  ALERT_CHANNELS: JSON.stringify([{ type: "webhook", url: `http://127.0.0.1:${channel}/` }]),
});

before(async () => {
  const channel = await listen(receiver);
  port = await listen(origin);
  const route = { host: "www.example", path: "/**", origin: `http://127.0.0.1:${port}`, site: "demo" };
  worker = withCron(product({ ...settings(channel), EDGE: JSON.stringify({ routes: [route] }) }));
  workerd = await start(NAME, worker, { fresh: true });
  check = createChecker((await workerd.send("/api/openapi.json")).text);
});
after(async () => {
  await workerd?.kill();
  stop(origin);
  stop(receiver);
});

/** @param {string} path */
const visit = async (path) => (await workerd.send(path, undefined, { host: "www.example" })).status;
/** @param {string} path */
const read = async (path) => {
  const { status, text } = await workerd.send(path, undefined, READ);
  check("GET", path.split("?")[0], status, path.includes("health") ? "application/health+json" : "application/json", text);
  return { status, body: JSON.parse(text) };
};
/** @param {string} signal */
const noticesOf = (signal) => notices.filter(({ body }) => body.signal === signal);

/** Restarts workerd with its data some minutes older, so that its object begins anew, and lets its alarm fire. @param {number} [minutes] */
async function nextMinute(minutes = 1) {
  await workerd.kill();
  changeDatabase(workerd.storage, (database) => {
    database.exec(`UPDATE traffic SET start = start - ${minutes * 60_000} WHERE span = 0`);
    if (database.prepare("SELECT 1 FROM facts WHERE name = 'alerts'").get()) shiftAlerts(database, minutes * 60_000);
  });
  workerd = await start(NAME, worker);
  assert.equal((await workerd.send("/alarm")).status, 200, workerd.errors());
}

/** Visits pages, each with a request to the origin. @param {number} n @param {string} run */
async function visits(n, run) {
  const statuses = [];
  for (let index = 0; index < n; index += 1) statuses.push(await visit(`/${run}?n=${index}`));
  return [...new Set(statuses)];
}

test("one error of two responses and one miss make no site unhealthy", { skip: IS_DRILL }, async () => {
  assert.deepEqual(await visits(1, "first"), [200]);
  stop(origin);
  assert.deepEqual(await visits(1, "second"), [502]);
  await listen(origin, port);
  const { status, body } = await read("/api/health/advanced?site=demo");
  const parts = Object.fromEntries(body.parts.map((/** @type {any} */ part) => [part.name, part.status]));
  assert.deepEqual([status, parts.requests, parts.cache, parts.origin], [200, "insufficient", "insufficient", undefined]);
  assert.match(body.details.because.requests, /50\.00 % of responses are errors\. 2 responses are too few to tell\./);
  assert.deepEqual(body.details.requests.error_interval.map(Math.round), [1, 99]);
});

test("an origin that stops is announced once, with what follows from it, without the cron", { skip: IS_DRILL }, async () => {
  // The first cron of a deployment tells the object that it speaks for the site.
  assert.equal((await workerd.send("/cron")).status, 200);
  assert.deepEqual(await visits(30, "up"), [200]);
  stop(origin);
  await nextMinute();
  assert.deepEqual(await visits(220, "down"), [502]);
  await read("/api/health/advanced?site=demo");
  for (let look = 1; look <= 3; look += 1) {
    assert.deepEqual(notices, [], `announced before look ${look}`);
    await nextMinute();
    assert.deepEqual(await visits(70, `still-${look}`), [502]);
    await read("/api/health/advanced?site=demo");
  }
  while (notices.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  const [{ body }] = notices;
  assert.deepEqual([body.signal, body.level, body.changes.length], ["origin", "critical", 1]);
  assert.match(body.changes[0].says, new RegExp(`^Origin 127\\.0\\.0\\.1:${port}: \\d+ of the latest \\d+ requests failed \\(\\d+ without a response, 0 with a 5xx status\\)\\. From this follows: .*the cache hit ratio is`));
  const alerts = (await read("/api/alerts?site=demo")).body.raised;
  const followers = alerts.filter((/** @type {any} */ alert) => alert.follows_from_origin).map((/** @type {any} */ { signal }) => signal);
  assert.ok(followers.includes("hit-ratio"), JSON.stringify(alerts));
  assert.deepEqual(notices.map(({ body }) => body.signal), ["origin"], "what follows is not announced by itself");
  const health = await read("/api/health/advanced?site=demo");
  assert.equal(health.status, 503);
  assert.match(health.body.details.reasons[0], new RegExp(`^Origin 127\\.0\\.0\\.1:${port}: `));
  assert.deepEqual(health.body.details.origins.map((/** @type {any} */ { name, state }) => [name, state]), [[`127.0.0.1:${port}`, "down"]]);
});

test("an origin that responds again is announced as recovered", { skip: IS_DRILL }, async () => {
  await listen(origin, port);
  for (let look = 1; look <= 2; look += 1) {
    assert.deepEqual(await visits(60, `again-${look}`), [200]);
    await read("/api/health/advanced?site=demo");
    await nextMinute();
  }
  // Changes of one signal within five minutes are one notification.
  await nextMinute(5);
  while (noticesOf("origin").length < 2) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(noticesOf("origin").map(({ body }) => body.changes[0].kind), ["raised", "recovered"]);
  assert.deepEqual(notices.length, 2, JSON.stringify(notices.map(({ body }) => body.headline)));
});

test("an address that is checked is watched where nobody visits", { skip: IS_DRILL }, async () => {
  const { port: channel } = /** @type {import("node:net").AddressInfo} */ (receiver.address());
  const checked = withCron(product({ ...settings(channel), ORIGIN_HEALTH_URL: "http://127.0.0.1:9/health" }));
  const quiet = await start("origin-checked", checked, { fresh: true });
  try {
    const before = noticesOf("origin").length;
    // A check is sent at most every ten seconds; the time between two looks is a minute.
    for (let look = 1; noticesOf("origin").length === before; look += 1) {
      assert.ok(look <= 60, "not announced");
      assert.equal((await quiet.send("/cron")).status, 200);
      if (look > 3) await new Promise((resolve) => setTimeout(resolve, 500));
    }
    const { body } = noticesOf("origin")[before];
    assert.deepEqual([body.level, body.changes[0].says], ["critical", "Origin 127.0.0.1:9: there were no requests of visitors; its health check fails."]);
  } finally {
    await quiet.kill();
  }
});

test("the drill: an origin stops at one visit a second, and is announced within five minutes", { skip: !IS_DRILL }, async () => {
  const second = () => new Promise((resolve) => setTimeout(resolve, 1000 - (Date.now() % 1000)));
  assert.equal((await workerd.send("/cron")).status, 200);
  let told = 0;
  let lastStatus = 0;
  /** @param {number} seconds @param {number} since @param {() => boolean} isDone */
  const run = async (seconds, since, isDone) => {
    for (let at = 0; at < seconds && !isDone(); at += 1) {
      await second();
      const status = await visit(`/page?n=${Date.now()}`);
      const elapsed = Math.round((Date.now() - since) / 1000);
      if (status !== lastStatus) console.log(`| ${elapsed} s | visitors get ${status} |`);
      lastStatus = status;
      for (; told < notices.length; told += 1) {
        const { at, body } = notices[told];
        console.log(`| ${Math.round((at - since) / 1000)} s | ${body.level} to the channel: ${body.changes.map((/** @type {any} */ { kind, says }) => `${kind}: ${says}`).join(" ")} |`);
      }
    }
  };
  await run(180, Date.now(), () => false);
  stop(origin);
  const stopped = Date.now();
  await run(400, stopped, () => noticesOf("origin").length > 0 && Date.now() - stopped > 330_000);
  const [first] = noticesOf("origin");
  assert.ok(first.at - stopped <= 300_000 && first.body.level === "critical", "announced within five minutes");
  await listen(origin, port);
  const back = Date.now();
  console.log(`| ${Math.round((back - stopped) / 1000)} s | the origin is started again |`);
  await run(400, stopped, () => noticesOf("origin").length > 1);
  await run(120, stopped, () => false);
  assert.deepEqual(noticesOf("origin").map(({ body }) => body.changes[0].kind), ["raised", "recovered"]);
  assert.deepEqual(notices.map(({ body }) => body.signal), ["origin", "origin"]);
});
