// What on-call would see: a product's picture becomes slow, and the health of the site says so; it is
// mended, and the health says that. The visits are Chromium's; so many more as prove it repeat what those
// measured. And the Worker tells the portal, by itself.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { DEVICES, launch } from "../browser/chromium.mjs";
import { DESKTOP } from "../product.mjs";
import { ROOT } from "../run.mjs";
import { HOST, portal } from "./portal.mjs";

describe("the health of the portal", { timeout: 240_000 }, () => {
  /** @type {Awaited<ReturnType<typeof portal>>} */
  let site;
  /** @type {import("playwright-core").Browser} */
  let browser;

  before(async () => {
    mkdirSync(join(ROOT, "tests/output/portal"), { recursive: true });
    site = await portal("portal-health", { PUSH_SINCE: String(Date.now() - 600_000) });
    browser = await launch("desktop", [`--host-resolver-rules=MAP ${HOST}:80 ${new URL(site.front.origin).host}`]);
  });
  after(async () => {
    await browser?.close();
    await site?.close();
  });

  /** One visit to a product, left again; resolves to what it sent. */
  async function visit() {
    const context = await browser.newContext(DEVICES.desktop);
    const page = await context.newPage();
    const sent = site.front.beacon();
    await page.goto(`http://${HOST}/product/monstera`, { waitUntil: "load" });
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestIdleCallback(resolve))));
    await page.getByRole("heading", { name: "Swiss cheese plant" }).click();
    await page.goto("about:blank");
    // A browser that is closed sends nothing more.
    const beacon = await sent;
    await context.close();
    return beacon;
  }

  let views = 0;
  /** Further visitors who measure the same. @param {any} beacon @param {number} number @param {Record<string, any>} [other] */
  async function alike(beacon, number, other = {}) {
    const come = () => fetch(`${site.edge}/v1/vitals`, { method: "POST", headers: { "user-agent": DESKTOP, origin: site.edge }, body: JSON.stringify({ ...beacon, ...other, id: (views += 1).toString(16).padStart(24, "a"), seq: 0 }) });
    // A few at once: a crowd would wait for each other, and how long an answer takes is part of the health.
    for (let left = number; left > 0; left -= 10) {
      const answers = await Promise.all(Array.from({ length: Math.min(left, 10) }, come));
      assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
    }
  }

  /** The health, once it is as expected: the Worker looks every few seconds. @param {(document: any) => boolean} isSo @param {string} what */
  async function health(isSo, what) {
    const deadline = Date.now() + 30_000;
    for (;;) {
      const document = await (await fetch(`${site.edge}/api/health/advanced?site=portal`)).json();
      if (isSo(document)) return document;
      assert.ok(Date.now() < deadline, `${what}: ${JSON.stringify({ ...document, details: { ...document.details, vitals: document.details?.vitals?.slice(0, 5) } }, null, 1)}`);
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }

  const vitals = (/** @type {any} */ { parts }) => parts.find((/** @type {any} */ { name }) => name === "vitals").status;

  test("a picture that is slow makes it degraded, by name; mended, it is healthy again", { timeout: 120_000 }, async () => {
    assert.equal(vitals(await health(() => true, "an answer")), "unknown", "without a visit nothing is known");

    site.door.slow((path) => (path.startsWith("/_next/image") && path.includes("monstera") ? 2_300 : 0));
    // The first one finds nothing at the edge; for the others the picture alone is slow.
    const slow = [await visit(), await visit(), await visit()];
    for (const { m } of slow) assert.ok(m.LCP > 2_300 && m.FCP < m.LCP, JSON.stringify(m));
    await alike(slow[2], 37);
    const degraded = await health((document) => vitals(document) === "degraded", "the slow picture is told");
    assert.notEqual(degraded.health, "healthy");
    assert.match(degraded.details.reasons.join(), /LCP of \/product\/:id on desktops violates its budget: \d+ of \d+ visits exceed it/);

    site.door.slow(() => 0);
    await visit();
    const mended = [await visit(), await visit()];
    for (const { m } of mended) assert.ok(m.LCP < 2_000, JSON.stringify(m));
    await alike(mended[1], 260);
    const healthy = await health((document) => document.health === "healthy", "the mended picture is told");
    assert.deepEqual([healthy.status, healthy.details.reasons], ["pass", []]);
    assert.ok(healthy.score > degraded.score);
  });

  test("the Worker tells the portal of each window that has closed, and the portal keeps it", async () => {
    await alike({ v: 1, site: "portal", view: 0, nav: "navigate", path: "/", route: "/" }, 5, { age: 300_000, m: { LCP: 900 } });
    const deadline = Date.now() + 60_000;
    let heard = null;
    while (heard === null && Date.now() < deadline) {
      const { windowReceivedAt, counts } = await (await fetch(`${site.origin}/api/health/advanced`)).json();
      heard = windowReceivedAt && counts.windows;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    assert.ok(heard, "no window came within a minute");
  });
});
