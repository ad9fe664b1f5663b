// Alerts on each channel: raised once, grouped, retried where a channel was down, suppressed while
// silenced, and followed by a recovery notice. workerd is restarted in between, with its stored times
// shifted.
import assert from "node:assert/strict";
import http from "node:http";
import { after, before, test } from "node:test";

import { product, start } from "../faults/workerd.mjs";
import { beacon, DESKTOP } from "../product.mjs";
import { withCron } from "./cron.mjs";
import { createChecker } from "./openapi.mjs";
import { changeDatabase, shiftAlerts } from "./time-shift.mjs";

const MINUTE = 60_000;
const MANAGE = { authorization: "Bearer manage" };
const READ = { authorization: "Bearer read" };

/** Every request that the channels received. @type {{ path: string, headers: http.IncomingHttpHeaders, body: any, status: number }[]} */
const posted = [];
/** The statuses of the next responses, by path. @type {Record<string, number[]>} */
const script = {};
const server = http.createServer(async (request, response) => {
  let text = "";
  for await (const chunk of request) text += chunk;
  const status = script[request.url ?? ""]?.shift() ?? 202;
  posted.push({ path: request.url ?? "", headers: request.headers, body: JSON.parse(text), status });
  response.writeHead(status).end();
});

/** @type {ReturnType<typeof createChecker>} */
let check;
/** @type {ReturnType<typeof product>} */
let worker;
/** @type {Awaited<ReturnType<typeof start>>} */
let workerd;

before(async () => {
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  const url = `http://127.0.0.1:${port}`;
  worker = withCron(
    product({
      READ_TOKEN: "read",
      MANAGE_TOKEN: "manage",
      DASHBOARD_URL: "https://vitals.example",
      ALERT_CHANNELS: JSON.stringify([
        { type: "webhook", url: `${url}/webhook`, token: "hook" },
        { type: "slack", url: `${url}/slack` },
        { type: "pagerduty", url: `${url}/pagerduty`, routing_key: "routing" },
        { type: "email", url: `${url}/email`, from: "vitals@shop.example", to: ["on-call@shop.example"] },
      ]),
      // No server listens on this port.
      BACKEND_HEALTH_URL: "http://127.0.0.1:9/",
      PUSH_KEYS: "2027-01:an example secret of 32 bytes...",
      PUSH_EVERY: "minute",
      PUSH_SINCE: String(Date.now() - 30 * MINUTE),
    }),
  );
  workerd = await start("alerts", worker, { fresh: true });
  check = createChecker((await workerd.send("/api/openapi.json")).text);
});
after(async () => {
  await workerd?.kill();
  server.closeAllConnections();
  server.close();
});

/** Sends `n` views of a page, `k` of them within a budget of 2000. @param {string} path @param {number} n @param {number} k */
async function sendViews(path, n, k) {
  const answers = await Promise.all(Array.from({ length: n }, (_, index) => workerd.send("/v1/vitals", JSON.stringify(beacon({ path, m: { LCP: index < k ? 1200 : 2600 } })), { "user-agent": DESKTOP })));
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
}

/** Runs the cron and returns the requests that the channels received until they accepted every notice. */
async function cron() {
  const before = posted.length;
  assert.equal((await workerd.send("/cron")).status, 200, workerd.errors());
  await waitForNotices();
  return posted.slice(before);
}

/** Waits until no notice is pending. */
async function waitForNotices() {
  for (let tries = 0; tries < 1000; tries += 1) {
    const { operations } = JSON.parse((await workerd.send("/api/health/advanced?site=demo", undefined, READ)).text);
    const seen = posted.length;
    if (operations.queues.notices === 0 && seen > 0) {
      await new Promise((resolve) => setImmediate(resolve));
      if (posted.length === seen) return;
    }
  }
}

/** @param {(database: import("node:sqlite").DatabaseSync) => void} change */
async function restart(change) {
  await workerd.kill();
  changeDatabase(workerd.storage, change);
  workerd = await start("alerts", worker);
}

/** @param {string} path @param {unknown} [body] @param {Record<string, string>} [headers] */
async function call(path, body = undefined, headers = body === undefined ? READ : MANAGE) {
  const { status, text } = await workerd.send(`${path}?site=demo`, body === undefined ? undefined : JSON.stringify(body), headers);
  check(body === undefined ? "GET" : "POST", path, status, status < 400 ? "application/json" : "application/problem+json", text);
  return { status, body: JSON.parse(text) };
}

/** @param {typeof posted} posts @param {string} signal */
const webhooks = (posts, signal) => posts.filter(({ path, body }) => path === "/webhook" && body.signal === signal);

test("two violated pages make one notice for each channel, sent only once", async () => {
  await sendViews("/a", 100, 50);
  await sendViews("/b", 100, 50);
  await sendViews("/fine", 100, 95);
  const first = await cron();
  const [notice, ...more] = webhooks(first, "evidence");
  assert.deepEqual(more, []);
  assert.deepEqual(notice.body.changes.map((/** @type {any} */ { kind, subject }) => [kind, subject.route]), [["raised", "/a"], ["raised", "/b"]]);
  assert.deepEqual([notice.headers.authorization, notice.headers["idempotency-key"], notice.body.dashboard], ["Bearer hook", `demo.notice.${notice.body.notice}`, "https://vitals.example"]);
  for (const path of ["/slack", "/email"]) assert.equal(first.filter((post) => post.path === path).length, webhooks(first, "evidence").length + webhooks(first, "burn-rate").length + webhooks(first, "push-backlog").length, path);
  const pages = first.filter(({ path, body }) => path === "/pagerduty" && body.payload?.class === "evidence");
  assert.deepEqual(pages.map(({ body }) => [body.event_action, body.routing_key, body.payload.component]), [["trigger", "routing", "/a"], ["trigger", "routing", "/b"]]);
  assert.equal(webhooks(first, "burn-rate").length, 1);
  const again = await cron();
  assert.deepEqual(webhooks(again, "evidence"), [], "a delivered notice is not sent again");
  assert.equal(webhooks(again, "verdict").length, 1, "two consecutive violations");
});

test("a backlog of the backend raises an alert", async () => {
  const { raised } = (await call("/api/alerts")).body;
  const backlog = raised.find((/** @type {any} */ { signal }) => signal === "push-backlog");
  assert.deepEqual([backlog.level, backlog.series], ["warning", "backend"]);
  assert.match(backlog.says, /the backend is \d+ windows behind/);
  assert.match(backlog.action, /Read the push error of the backend/);
});

test("an acknowledgement is stored and survives a restart", async () => {
  const { raised } = (await call("/api/alerts")).body;
  const { key } = raised.find((/** @type {any} */ { signal, route }) => signal === "evidence" && route === "/a");
  assert.equal((await call("/api/alerts/ack", { key, by: "Ann" }, READ)).status, 401, "a read token does not authorize management");
  assert.deepEqual((await call("/api/alerts/ack", { key, by: "Ann" })).body.acknowledged, true);
  assert.deepEqual((await call("/api/alerts/ack", { key: "demo|evidence|/nowhere", by: "Ann" })).body.acknowledged, false);
  await restart((database) => shiftAlerts(database, 6 * MINUTE));
  const shown = (await call("/api/alerts")).body.raised.find((/** @type {any} */ alert) => alert.key === key);
  assert.equal(shown.acknowledged.by, "Ann");
  assert.equal((await workerd.send("/api/alerts?site=demo")).status, 401);
});

test("a recovery is announced, and its incident ends", async () => {
  await sendViews("/a", 600, 600);
  const posts = await cron();
  const [notice] = webhooks(posts, "evidence");
  assert.deepEqual(notice.body.changes.map((/** @type {any} */ { kind, subject }) => [kind, subject.route]), [["recovered", "/a"]]);
  assert.equal(notice.body.over, true);
  const ends = posts.filter(({ path, body }) => path === "/pagerduty" && body.event_action === "resolve");
  assert.ok(ends.some(({ body }) => body.dedup_key === "demo|evidence|/a|desktop|LCP"), JSON.stringify(ends));
});

test("a silenced alert is listed but not sent until the silence is lifted", async () => {
  await restart((database) => shiftAlerts(database, 6 * MINUTE));
  for (const [body, status] of /** @type {[any, number][]} */ ([
    [{ by: "Ann", reason: "release" }, 422],
    [{ by: "Ann", reason: "release", minutes: 30, until: Date.now() + MINUTE }, 422],
    [{ by: "Ann", reason: "release", minutes: 10_000_000 }, 422],
    [{ by: "", reason: "release", minutes: 30 }, 422],
    [{ by: "Ann", reason: "release", minutes: 30, signal: "nothing" }, 400],
  ])) {
    assert.equal((await call("/api/alerts/silence", body)).status, status, JSON.stringify(body));
  }
  const { number } = (await call("/api/alerts/silence", { route: "/quiet", minutes: 30, by: "Ann", reason: "release" })).body;
  await sendViews("/quiet", 100, 40);
  assert.deepEqual(webhooks(await cron(), "evidence"), []);
  const shown = (await call("/api/alerts")).body;
  const quiet = shown.raised.filter((/** @type {any} */ { route }) => route === "/quiet");
  assert.ok(quiet.length > 0 && quiet.every((/** @type {any} */ { muted }) => muted));
  assert.deepEqual(shown.mutes.map((/** @type {any} */ mute) => [mute.number, mute.reason]), [[number, "release"]]);
  const before = posted.length;
  assert.equal((await call("/api/alerts/unsilence", { number })).body.was_silenced, true);
  await waitForNotices();
  assert.deepEqual(webhooks(posted.slice(before), "evidence").map(({ body }) => body.changes[0].subject.route), ["/quiet"]);
});

test("only the channel that was down gets a notice again", async () => {
  await restart((database) => shiftAlerts(database, 6 * MINUTE));
  script["/slack"] = Array.from({ length: 50 }, () => 500);
  await sendViews("/again", 100, 40);
  const before = posted.length;
  assert.equal((await workerd.send("/cron")).status, 200);
  /** @type {any[]} */
  let channels = [];
  const keys = () => new Set(posted.slice(before).map(({ headers }) => headers["idempotency-key"])).size;
  // Slack has rejected every notice, and the other channels have accepted theirs.
  const isPending = () => channels.length === 0 || keys() === 0 || channels.some(({ name, waiting }) => waiting !== (name === "slack-2" ? keys() : 0));
  for (let tries = 0; tries < 500 && isPending(); tries += 1) ({ channels } = (await call("/api/alerts")).body);
  assert.deepEqual(channels.map(({ name, trouble }) => [name, trouble]), [["webhook", null], ["slack-2", "responded with 500"], ["pagerduty-3", null], ["email-4", null]]);
  script["/slack"] = [];
  await restart((database) => shiftAlerts(database, 2 * MINUTE));
  const beforeRetry = posted.length;
  await cron();
  const again = posted.slice(beforeRetry).filter(({ headers }) => webhooks(posted.slice(before, beforeRetry), "evidence").some((hook) => hook.headers["idempotency-key"] === headers["idempotency-key"]));
  assert.deepEqual(again.map(({ path, status }) => [path, status]), [["/slack", 202]]);
});

test("missing traffic raises an alert and makes the site unhealthy", async () => {
  const hour = Math.floor(Date.now() / 3_600_000);
  await restart((database) => {
    shiftAlerts(database, 6 * MINUTE);
    const add = database.prepare("INSERT OR REPLACE INTO hours (series, hour, n, value) VALUES ('views', ?, 60, 60.0)");
    for (let back = 1; back <= 24 * 30; back += 1) add.run(hour - back);
    // The last visit was three hours ago.
    database.prepare("UPDATE facts SET value = ? WHERE name = 'heard_at'").run(String(Date.now() - 180 * MINUTE));
    database.exec("DELETE FROM journal; DELETE FROM folded");
  });
  const [notice] = webhooks(await cron(), "silence");
  assert.deepEqual([notice.body.level, notice.body.changes[0].kind], ["critical", "raised"]);
  assert.match(notice.body.changes[0].says, /no beacon received while 18\d views were expected/);
  const { status, text } = await workerd.send("/api/health/advanced?site=demo", undefined, READ);
  const health = JSON.parse(text);
  assert.deepEqual([status, health.status, health.health], [503, "fail", "unhealthy"]);
  assert.match(health.details.reasons[0], /No beacon received for 3 h while 180 views were expected\./);
});

test("an incident records its channels, its acknowledgement and its end", async () => {
  const history = async (/** @type {string} */ more, /** @type {Record<string, string>} */ headers = READ) => {
    const { status, text } = await workerd.send(`/api/health/history?site=demo${more}`, undefined, headers);
    check("GET", "/api/health/history", status, "application/json", text);
    return JSON.parse(text);
  };
  const { incidents, statuses, spent, unseen, from, to } = await history("&window=7d");
  const findIncident = (/** @type {string} */ route) => incidents.find((/** @type {any} */ incident) => incident.signal === "evidence" && incident.route === route);
  const [first, again] = [findIncident("/a"), findIncident("/again")];
  assert.deepEqual([first.acknowledged.by, first.ended.lapsed, first.level], ["Ann", false, "warning"]);
  assert.deepEqual(Object.keys(first.told), ["email-4", "pagerduty-3", "slack-2", "webhook"]);
  assert.ok(first.opened < first.ended.at && again.ended === null, JSON.stringify([first, again]));
  assert.deepEqual(incidents.map((/** @type {any} */ { opened }) => opened), incidents.map((/** @type {any} */ { opened }) => opened).sort((/** @type {number} */ a, /** @type {number} */ b) => b - a), "newest first");
  // The last evaluation found the site unhealthy, as the health document does. Time before the first
  // evaluation counts as unseen.
  assert.equal(statuses.at(-1).health, "unhealthy");
  assert.ok(unseen > 0 && Object.values(spent).reduce((sum, each) => sum + Number(each), 0) + unseen === to - from, JSON.stringify({ spent, unseen, from, to }));
  assert.equal((await history("", {})).incidents, undefined, "incidents require a token");
});

test("the status history has runs and gaps, and is limited in size and age", async () => {
  const [now, DAY] = [Date.now(), 86_400_000];
  await restart((database) => {
    database.exec("DELETE FROM statuses");
    const add = database.prepare("INSERT INTO statuses (start, until, health, score) VALUES (?, ?, ?, ?)");
    // One status that is too old, more than the limit, and at the end five healthy hours, a gap of
    // three, and two unhealthy hours until now.
    add.run(now - 401 * DAY, now - 401 * DAY + MINUTE, "healthy", 99);
    for (let index = 0; index < 3100; index += 1) add.run(now - 390 * DAY + index * MINUTE, now - 390 * DAY + index * MINUTE, index % 2 ? "healthy" : "degraded", 80);
    add.run(now - 600 * MINUTE, now - 315 * MINUTE, "healthy", 93);
    add.run(now - 120 * MINUTE, now - 5 * MINUTE, "unhealthy", 40);
  });
  await cron();
  const { statuses, spent } = JSON.parse((await workerd.send("/api/health/history?site=demo&window=1d", undefined, READ)).text);
  assert.deepEqual(statuses.map((/** @type {any} */ { health }) => health), ["healthy", "unhealthy"]);
  assert.equal(statuses[0].to - statuses[0].from, 300 * MINUTE);
  assert.equal(spent.healthy, 300 * MINUTE);
  assert.ok(statuses[1].from === now - 120 * MINUTE && statuses[1].to >= now && statuses[1].score <= 40, JSON.stringify(statuses));
  await workerd.kill();
  changeDatabase(workerd.storage, (database) => {
    const row = database.prepare("SELECT count(*) AS rows, min(start) AS first FROM statuses").get();
    assert.ok(row?.rows === 3000 && Number(row.first) > now - 390 * DAY, JSON.stringify(row));
  });
  workerd = await start("alerts", worker);
});
