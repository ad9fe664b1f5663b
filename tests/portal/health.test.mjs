// The health of the portal during an incident: a product's picture becomes slow, then fast again, and
// the health document follows. Chromium makes the visits, which are repeated until they suffice as
// evidence. And the Worker pushes its windows to the portal.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { DEVICES, launch } from "../browser/chromium.mjs";
import { DESKTOP } from "../product.mjs";
import { ROOT } from "../run.mjs";
import { HOST, startPortal } from "./portal.mjs";

describe("the health of the portal", { timeout: 240_000 }, () => {
  /** @type {Awaited<ReturnType<typeof startPortal>>} */
  let site;
  /** @type {import("playwright-core").Browser} */
  let browser;

  before(async () => {
    mkdirSync(join(ROOT, "tests/output/portal"), { recursive: true });
    site = await startPortal("portal-health", { PUSH_SINCE: String(Date.now() - 600_000) });
    browser = await launch("desktop", [`--host-resolver-rules=MAP ${HOST}:80 ${new URL(site.front.origin).host}`]);
  });
  after(async () => {
    await browser?.close();
    await site?.close();
  });

  /** Visits a product, leaves, and resolves to the beacon. */
  async function visit() {
    const context = await browser.newContext(DEVICES.desktop);
    const page = await context.newPage();
    const sent = site.front.beacon();
    await page.goto(`http://${HOST}/product/monstera`, { waitUntil: "load" });
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestIdleCallback(resolve))));
    await page.getByRole("heading", { name: "Swiss cheese plant" }).click();
    await page.goto("about:blank");
    // A closed browser sends nothing more.
    const beacon = await sent;
    await context.close();
    return beacon;
  }

  let views = 0;
  /** Repeats a beacon for further visitors. @param {any} beacon @param {number} number @param {Record<string, any>} [other] */
  async function repeat(beacon, number, other = {}) {
    const send = () => fetch(`${site.edge}/v1/vitals`, { method: "POST", headers: { "user-agent": DESKTOP, origin: site.edge }, body: JSON.stringify({ ...beacon, ...other, id: (views += 1).toString(16).padStart(24, "a"), seq: 0 }) });
    // A few at a time: in a crowd requests would wait for each other, and response times are part of
    // the health.
    for (let left = number; left > 0; left -= 10) {
      const answers = await Promise.all(Array.from({ length: Math.min(left, 10) }, send));
      assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
    }
  }

  /** Polls the health until it is as expected; the Worker evaluates it every few seconds. @param {(document: any) => boolean} isExpected @param {string} what */
  async function health(isExpected, what) {
    const deadline = Date.now() + 30_000;
    for (;;) {
      const document = await (await fetch(`${site.edge}/api/health/advanced?site=portal`)).json();
      if (isExpected(document)) return document;
      assert.ok(Date.now() < deadline, `${what}: ${JSON.stringify({ ...document, details: { ...document.details, vitals: document.details?.vitals?.slice(0, 5) } }, null, 1)}`);
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }

  const vitals = (/** @type {any} */ { parts }) => parts.find((/** @type {any} */ { name }) => name === "vitals").status;

  test("a slow picture makes the site degraded and is named; afterwards the site is healthy again", { timeout: 120_000 }, async () => {
    assert.equal(vitals(await health(() => true, "an answer")), "unknown", "unknown without visits");

    site.proxy.delay((path) => (path.startsWith("/_next/image") && path.includes("monstera") ? 2_300 : 0));
    // The first visit finds nothing in the cache; for the others only the picture is slow.
    const slow = [await visit(), await visit(), await visit()];
    for (const { m } of slow) assert.ok(m.LCP > 2_300 && m.FCP < m.LCP, JSON.stringify(m));
    await repeat(slow[2], 37);
    const degraded = await health((document) => vitals(document) === "degraded", "the slow picture is told");
    assert.notEqual(degraded.health, "healthy");
    assert.match(degraded.details.reasons.join(), /LCP of \/product\/:id on desktops violates its budget: \d+ of \d+ visits exceed it/);

    site.proxy.delay(() => 0);
    // The first request of each route is not shared, and the next one fills the cache.
    for (let visits = 0; visits < 3; visits += 1) await visit();
    const mended = [await visit(), await visit()];
    for (const { m } of mended) assert.ok(m.LCP < 2_000, JSON.stringify(m));
    await repeat(mended[1], 260);
    const healthy = await health((document) => document.health === "healthy", "the mended picture is told");
    assert.deepEqual([healthy.status, healthy.details.reasons], ["pass", []]);
    assert.ok(healthy.score > degraded.score);
  });

  test("the Worker pushes each closed window, and the portal stores it", async () => {
    await repeat({ v: 1, site: "portal", view: 0, nav: "navigate", path: "/", route: "/" }, 5, { age: 300_000, m: { LCP: 900 } });
    const deadline = Date.now() + 60_000;
    let received = null;
    while (received === null && Date.now() < deadline) {
      const { windowReceivedAt, counts } = await (await fetch(`${site.origin}/api/health/advanced`)).json();
      received = windowReceivedAt && counts.windows;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    assert.ok(received, "no window arrived within a minute");
  });
});
