// Who is called, when, and by which channel: raised once, together, again where a channel was down, not
// while silenced, and told when it is over. workerd is ended in between, and its clock moved.
import assert from "node:assert/strict";
import http from "node:http";
import { after, before, test } from "node:test";

import { product, start } from "../faults/workerd.mjs";
import { beacon, DESKTOP } from "../product.mjs";
import { withCron } from "./cron.mjs";
import { described } from "./described.mjs";
import { changed, earlier } from "./later.mjs";

const MINUTE = 60_000;
const MANAGE = { authorization: "Bearer manage" };
const READ = { authorization: "Bearer read" };

/** Everything that was posted. @type {{ path: string, headers: http.IncomingHttpHeaders, body: any, status: number }[]} */
const posted = [];
/** What the next posts to a path are answered. @type {Record<string, number[]>} */
const script = {};
const server = http.createServer(async (request, response) => {
  let text = "";
  for await (const chunk of request) text += chunk;
  const status = script[request.url ?? ""]?.shift() ?? 202;
  posted.push({ path: request.url ?? "", headers: request.headers, body: JSON.parse(text), status });
  response.writeHead(status).end();
});

/** @type {ReturnType<typeof described>} */
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
      // Nobody listens there.
      BACKEND_HEALTH_URL: "http://127.0.0.1:9/",
      PUSH_KEYS: "2027-01:an example secret of 32 bytes...",
      PUSH_EVERY: "minute",
      PUSH_SINCE: String(Date.now() - 30 * MINUTE),
    }),
  );
  workerd = await start("alerts", worker, { fresh: true });
  check = described((await workerd.send("/api/openapi.json")).text);
});
after(async () => {
  await workerd?.kill();
  server.closeAllConnections();
  server.close();
});

/** Of `n` views of a page, `k` within a budget of 2000. @param {string} path @param {number} n @param {number} k */
async function visits(path, n, k) {
  const answers = await Promise.all(Array.from({ length: n }, (_, index) => workerd.send("/v1/vitals", JSON.stringify(beacon({ path, m: { LCP: index < k ? 1200 : 2600 } })), { "user-agent": DESKTOP })));
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
}

/** The cron, and what was posted until the channels have taken all of it. */
async function cron() {
  const before = posted.length;
  assert.equal((await workerd.send("/cron")).status, 200, workerd.errors());
  await settled();
  return posted.slice(before);
}

/** Waits until no notice is on its way. */
async function settled() {
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
async function reborn(change) {
  await workerd.kill();
  changed(workerd.storage, change);
  workerd = await start("alerts", worker);
}

/** @param {string} path @param {unknown} [body] @param {Record<string, string>} [headers] */
async function call(path, body = undefined, headers = body === undefined ? READ : MANAGE) {
  const { status, text } = await workerd.send(`${path}?site=demo`, body === undefined ? undefined : JSON.stringify(body), headers);
  check(body === undefined ? "GET" : "POST", path, status, status < 400 ? "application/json" : "application/problem+json", text);
  return { status, body: JSON.parse(text) };
}

/** @param {typeof posted} posts @param {string} signal */
const hooks = (posts, signal) => posts.filter(({ path, body }) => path === "/webhook" && body.signal === signal);

test("two broken pages are one notice on each channel, and only once", async () => {
  await visits("/a", 100, 50);
  await visits("/b", 100, 50);
  await visits("/fine", 100, 95);
  const first = await cron();
  const [notice, ...more] = hooks(first, "evidence");
  assert.deepEqual(more, []);
  assert.deepEqual(notice.body.changes.map((/** @type {any} */ { kind, subject }) => [kind, subject.route]), [["raised", "/a"], ["raised", "/b"]]);
  assert.deepEqual([notice.headers.authorization, notice.headers["idempotency-key"], notice.body.dashboard], ["Bearer hook", `demo.notice.${notice.body.notice}`, "https://vitals.example"]);
  for (const path of ["/slack", "/email"]) assert.equal(first.filter((post) => post.path === path).length, hooks(first, "evidence").length + hooks(first, "burn-rate").length + hooks(first, "push-backlog").length, path);
  const pages = first.filter(({ path, body }) => path === "/pagerduty" && body.payload?.class === "evidence");
  assert.deepEqual(pages.map(({ body }) => [body.event_action, body.routing_key, body.payload.component]), [["trigger", "routing", "/a"], ["trigger", "routing", "/b"]]);
  assert.equal(hooks(first, "burn-rate").length, 1);
  const again = await cron();
  assert.deepEqual(hooks(again, "evidence"), [], "who was told is not told again");
  assert.equal(hooks(again, "verdict").length, 1, "two bad looks");
});

test("a backend that is behind is called about", async () => {
  const { raised } = (await call("/api/alerts")).body;
  const backlog = raised.find((/** @type {any} */ { signal }) => signal === "push-backlog");
  assert.deepEqual([backlog.level, backlog.series], ["warning", "backend"]);
  assert.match(backlog.says, /the backend is \d+ windows behind/);
  assert.match(backlog.action, /Read what the push says/);
});

test("an alert is looked after by call, and that outlives workerd", async () => {
  const { raised } = (await call("/api/alerts")).body;
  const { key } = raised.find((/** @type {any} */ { signal, route }) => signal === "evidence" && route === "/a");
  assert.equal((await call("/api/alerts/ack", { key, by: "Ann" }, READ)).status, 401, "to read is not to manage");
  assert.deepEqual((await call("/api/alerts/ack", { key, by: "Ann" })).body.acknowledged, true);
  assert.deepEqual((await call("/api/alerts/ack", { key: "demo|evidence|/nowhere", by: "Ann" })).body.acknowledged, false);
  await reborn((database) => earlier(database, 6 * MINUTE));
  const shown = (await call("/api/alerts")).body.raised.find((/** @type {any} */ alert) => alert.key === key);
  assert.equal(shown.acknowledged.by, "Ann");
  assert.equal((await workerd.send("/api/alerts?site=demo")).status, 401);
});

test("what recovers is told, and its incident ends", async () => {
  await visits("/a", 600, 600);
  const posts = await cron();
  const [notice] = hooks(posts, "evidence");
  assert.deepEqual(notice.body.changes.map((/** @type {any} */ { kind, subject }) => [kind, subject.route]), [["recovered", "/a"]]);
  assert.equal(notice.body.over, true);
  const ends = posts.filter(({ path, body }) => path === "/pagerduty" && body.event_action === "resolve");
  assert.ok(ends.some(({ body }) => body.dedup_key === "demo|evidence|/a|desktop|LCP"), JSON.stringify(ends));
});

test("what is silenced is shown and not told, until the silence is taken back", async () => {
  await reborn((database) => earlier(database, 6 * MINUTE));
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
  await visits("/quiet", 100, 40);
  assert.deepEqual(hooks(await cron(), "evidence"), []);
  const shown = (await call("/api/alerts")).body;
  const quiet = shown.raised.filter((/** @type {any} */ { route }) => route === "/quiet");
  assert.ok(quiet.length > 0 && quiet.every((/** @type {any} */ { muted }) => muted));
  assert.deepEqual(shown.mutes.map((/** @type {any} */ mute) => [mute.number, mute.reason]), [[number, "release"]]);
  const before = posted.length;
  assert.equal((await call("/api/alerts/unsilence", { number })).body.was_silenced, true);
  await settled();
  assert.deepEqual(hooks(posted.slice(before), "evidence").map(({ body }) => body.changes[0].subject.route), ["/quiet"]);
});

test("a channel that was down is told again, and the others are not", async () => {
  await reborn((database) => earlier(database, 6 * MINUTE));
  script["/slack"] = Array.from({ length: 50 }, () => 500);
  await visits("/again", 100, 40);
  const before = posted.length;
  assert.equal((await workerd.send("/cron")).status, 200);
  /** @type {any[]} */
  let channels = [];
  const keys = () => new Set(posted.slice(before).map(({ headers }) => headers["idempotency-key"])).size;
  // Slack has refused all that is told, and the others have taken it.
  const waits = () => channels.length === 0 || keys() === 0 || channels.some(({ name, waiting }) => waiting !== (name === "slack-2" ? keys() : 0));
  for (let tries = 0; tries < 500 && waits(); tries += 1) ({ channels } = (await call("/api/alerts")).body);
  assert.deepEqual(channels.map(({ name, trouble }) => [name, trouble]), [["webhook", null], ["slack-2", "responded with 500"], ["pagerduty-3", null], ["email-4", null]]);
  script["/slack"] = [];
  await reborn((database) => earlier(database, 2 * MINUTE));
  const told = posted.length;
  await cron();
  const again = posted.slice(told).filter(({ headers }) => hooks(posted.slice(before, told), "evidence").some((hook) => hook.headers["idempotency-key"] === headers["idempotency-key"]));
  assert.deepEqual(again.map(({ path, status }) => [path, status]), [["/slack", 202]]);
});

test("silence is a finding: people are called, and the site is not healthy", async () => {
  const hour = Math.floor(Date.now() / 3_600_000);
  await reborn((database) => {
    earlier(database, 6 * MINUTE);
    const add = database.prepare("INSERT OR REPLACE INTO hours (series, hour, n, value) VALUES ('views', ?, 60, 60.0)");
    for (let back = 1; back <= 24 * 30; back += 1) add.run(hour - back);
    // Three hours ago somebody came; nobody since.
    database.prepare("UPDATE facts SET value = ? WHERE name = 'heard_at'").run(String(Date.now() - 180 * MINUTE));
    database.exec("DELETE FROM views");
  });
  const [notice] = hooks(await cron(), "silence");
  assert.deepEqual([notice.body.level, notice.body.changes[0].kind], ["critical", "raised"]);
  assert.match(notice.body.changes[0].says, /no beacon received while 18\d views were expected/);
  const { status, text } = await workerd.send("/api/health/advanced?site=demo", undefined, READ);
  const health = JSON.parse(text);
  assert.deepEqual([status, health.status, health.health], [503, "fail", "unhealthy"]);
  assert.match(health.details.reasons[0], /No beacon received for 3 h while 180 views were expected\./);
});

test("what was called about is remembered with whom it was told to, who looked after it, and its end", async () => {
  const history = async (/** @type {string} */ more, /** @type {Record<string, string>} */ headers = READ) => {
    const { status, text } = await workerd.send(`/api/health/history?site=demo${more}`, undefined, headers);
    check("GET", "/api/health/history", status, "application/json", text);
    return JSON.parse(text);
  };
  const { incidents, statuses, spent, unseen, from, to } = await history("&window=7d");
  const of = (/** @type {string} */ route) => incidents.find((/** @type {any} */ incident) => incident.signal === "evidence" && incident.route === route);
  const [first, again] = [of("/a"), of("/again")];
  assert.deepEqual([first.acknowledged.by, first.ended.lapsed, first.level], ["Ann", false, "warning"]);
  assert.deepEqual(Object.keys(first.told), ["email-4", "pagerduty-3", "slack-2", "webhook"]);
  assert.ok(first.opened < first.ended.at && again.ended === null, JSON.stringify([first, again]));
  assert.deepEqual(incidents.map((/** @type {any} */ { opened }) => opened), incidents.map((/** @type {any} */ { opened }) => opened).sort((/** @type {number} */ one, /** @type {number} */ other) => other - one), "the newest first");
  // The last look found it unhealthy, as the document does, and it is seen until now and not before the first look.
  assert.equal(statuses.at(-1).health, "unhealthy");
  assert.ok(unseen > 0 && Object.values(spent).reduce((sum, each) => sum + Number(each), 0) + unseen === to - from, JSON.stringify({ spent, unseen, from, to }));
  assert.equal((await history("", {})).incidents, undefined, "who holds no token reads of no incident");
});

test("a status is a run of looks, a gap where nobody looked, and bounded in number and age", async () => {
  const [now, DAY] = [Date.now(), 86_400_000];
  await reborn((database) => {
    database.exec("DELETE FROM statuses");
    const add = database.prepare("INSERT INTO statuses (start, until, health, score) VALUES (?, ?, ?, ?)");
    // Too old; more than are kept; and at the end five hours well, a gap of three, and two ill until now.
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
  changed(workerd.storage, (database) => {
    const row = database.prepare("SELECT count(*) AS rows, min(start) AS first FROM statuses").get();
    assert.ok(row?.rows === 3000 && Number(row.first) > now - 390 * DAY, JSON.stringify(row));
  });
  workerd = await start("alerts", worker);
});
