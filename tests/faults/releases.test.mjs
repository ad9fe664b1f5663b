// A gradual deployment: Workers of two releases beside each other, before objects of either. OLDER names the folder of the
// build of the older release (`cargo xtask soak releases` builds it); without it, the release is its own neighbour.
import assert from "node:assert/strict";
import { after, test } from "node:test";

import { beacon, DESKTOP } from "../product.mjs";
import { createClient, product, start } from "./workerd.mjs";

const VIEWS = Number(process.env.OLDER ? 2_000 : 100);
const VARS = { SHARDS: "2", READ_TOKEN: "read", MANAGE_TOKEN: "manage", CACHE_TOKEN: "cache" };
const TOKEN = { authorization: "Bearer read" };
const current = product(VARS);
const older = product(VARS, process.env.OLDER);

/** Documents that every release answers, through all kinds of calls to the objects. */
const READS = [
  "/api/vitals/summary?site=demo", "/api/vitals/series?site=demo", "/api/vitals/causes?site=demo", "/api/budgets?site=demo", "/api/performance/dashboard?site=demo",
  "/api/performance/analytics?site=demo", "/api/health/advanced?site=demo", "/api/health/history?site=demo", "/api/alerts?site=demo", "/api/push?site=demo", "/metrics?site=demo",
];

/** @type {Awaited<ReturnType<typeof start>> | undefined} */
let workerd;
after(() => workerd?.kill());

/** @type {{ id: string, seq: number, isStored: boolean }[]} */
const views = [];

/** Starts objects of one release behind Workers of both. @param {typeof current} objects @param {typeof current} other */
async function deploy(objects, other) {
  await workerd?.kill();
  workerd = await start("releases", objects, { fresh: views.length === 0, twin: other.modules });
  return [workerd, createClient(/** @type {number} */ (workerd.twin))];
}

/** Sends a beacon of a view. @param {{ ask: ReturnType<typeof createClient>["ask"] }} worker @param {(typeof views)[0]} view */
async function send(worker, view) {
  view.isStored = false;
  const { status } = await worker.ask("/v1/vitals", JSON.stringify(beacon({ id: view.id, seq: view.seq, m: { LCP: view.seq ? 4_000 : 1_000 } })), { "user-agent": DESKTOP }).catch(() => ({ status: 0 }));
  view.isStored = status === 200;
}

/**
 * Sends views by turns through both Workers, and corrections of half of them through the other one.
 * @param {{ ask: ReturnType<typeof createClient>["ask"] }[]} workers @param {() => void} [halfway]
 */
async function load(workers, halfway) {
  const added = Array.from({ length: VIEWS }, () => ({ id: beacon().id, seq: 0, isStored: false }));
  views.push(...added);
  for (let sent = 0; sent < VIEWS; sent += 50) {
    const batch = added.slice(sent, sent + 50);
    const sending = batch.map((view, index) => send(workers[index % 2], view));
    if (sent === VIEWS / 2) halfway?.();
    await Promise.all(sending);
    await Promise.all(batch.filter((view, index) => index % 4 < 2 && view.isStored).map((view, index) => send(workers[(index + 1) % 2], Object.assign(view, { seq: 1 }))));
  }
}

/** Compares what each Worker counts with what was acknowledged, and reads every document through it. @param {Awaited<ReturnType<typeof deploy>>} workers */
async function check(workers) {
  for (const [index, worker] of workers.entries()) {
    await worker.send("/api/alerts/silence?site=demo", JSON.stringify({ rule: "*", minutes: 1 }), { authorization: "Bearer manage" });
    for (const path of READS) {
      const { status, text, headers } = await worker.ask(path, undefined, TOKEN);
      // A site that is not well is one.
      const isAnswered = status === 200 || (path.startsWith("/api/health/advanced") && JSON.parse(text).health === "unhealthy");
      assert.ok(isAnswered, `${path} of Worker ${index}: ${status} ${text}`);
      assert.ok(!headers["content-type"]?.includes("json") || JSON.parse(text).shards === undefined, path);
    }
    const summary = JSON.parse((await worker.send(READS[0], undefined, TOKEN)).text);
    const lcp = summary.cells.find((/** @type {any} */ { metric }) => metric === "LCP");
    const slow = views.filter(({ seq }) => seq > 0).length;
    assert.deepEqual([summary.views, lcp.n, lcp.budget.n - lcp.budget.k], [views.length, views.length, slow], `Worker ${index}`);
  }
}

/** Sends again what was refused. @param {Awaited<ReturnType<typeof deploy>>} workers */
async function resend(workers) {
  await Promise.all(views.filter(({ isStored }) => !isStored).map((view, index) => send(workers[index % 2], view)));
  assert.ok(views.every(({ isStored }) => isStored));
}

test("Workers of two releases speak to objects of either, and counts stay exact", async () => {
  // Objects of the older release, while the new one gets its first requests; then new objects; and a rollback.
  for (const [objects, other] of [[older, current], [current, older]]) {
    const workers = await deploy(objects, other);
    await load(workers);
    await resend(workers);
    await check(workers);
  }
  const rolledBack = await deploy(older, current);
  await load(rolledBack);
  const isReadable = (await rolledBack[0].ask(READS[0], undefined, TOKEN)).status === 200;
  console.log(`${views.length} views; the older release ${isReadable ? "goes on with" : "refuses"} the tables of the newer one`);
  if (isReadable) {
    await resend(rolledBack);
    await check(rolledBack);
  } else {
    assert.ok(views.some(({ isStored }) => !isStored));
    assert.ok(views.slice(-VIEWS).every(({ isStored }) => !isStored), "it acknowledges nothing");
  }
  const again = await deploy(current, older);
  await resend(again);
  await check(again);
});

test("a release is replaced in mid-load, again and again", async () => {
  for (const [objects, other] of [[older, current], [current, older], [older, current], [current, older]]) {
    await load(await deploy(objects, other), () => void workerd?.kill());
  }
  const workers = await deploy(current, older);
  await resend(workers);
  await check(workers);
});
