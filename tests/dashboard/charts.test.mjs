// Charts compared pixel by pixel with reviewed images (`baselines`). Text is not drawn, because fonts differ by
// machine; other tests check it. `ACCEPT_CHARTS=1` makes the current charts the new baselines.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { after, before, test } from "node:test";

import { launch } from "../browser/chromium.mjs";
import { serve } from "../product.mjs";
import { visits } from "./visitor.mjs";
import { send } from "./visits.mjs";

/** @typedef {import("playwright-core").Page} Page */
/** @type {Awaited<ReturnType<typeof serve>>} */
let product;
/** @type {import("playwright-core").Browser} */
let browser;
before(async () => {
  product = await serve();
  await send(product);
  browser = await launch("desktop");
});
after(async () => {
  await browser?.close();
  await product?.close();
});

const FROM = Date.UTC(2026, 0, 5);
const HOUR = 3_600_000;

/** Deterministic data of one day. @param {number} [slower] */
function series(slower = 1) {
  return Array.from({ length: 24 }, (_, hour) => {
    const n = 40 + ((hour * 37) % 90);
    const p75 = Math.round((2100 + 700 * Math.sin(hour / 3.5) + ((hour * 53) % 170)) * slower);
    const around = 40 + 4000 / n;
    return { metric: "LCP", unit: "ms", n, visits: n, p50: p75 * 0.7, p75, p75_interval: [p75 - around, p75 + around], p90: null, p95: p75 * 2, p99: null, good: 0.7, needs_improvement: 0.2, poor: 0.1, at: FROM + hour * HOUR, hour };
  });
}

/** @param {"light" | "dark"} colorScheme @param {number} [slower] */
async function visitor(colorScheme, slower) {
  const visit = await visits(browser, product.origin, { viewport: { width: 1000, height: 900 }, deviceScaleFactor: 1, colorScheme, reducedMotion: "reduce" });
  await visit.context.addInitScript(() => {
    CanvasRenderingContext2D.prototype.fillText = () => {};
    CanvasRenderingContext2D.prototype.measureText = () => /** @type {TextMetrics} */ ({ width: 40 });
  });
  await visit.page.route("**/api/vitals/series?*", async (route) => {
    const byRelease = route.request().url().includes("by=release");
    const lines = series(slower).map(({ hour, ...line }) => ({ ...line, group: byRelease ? { release: hour < 15 ? "2.4.0" : "2.5.0" } : {} }));
    await route.fulfill({ json: { v: 1, site: "demo", from: FROM, to: FROM + 24 * HOUR, heard_at: FROM, views: 1000, visits: 1000, sent: 1000, heard: 1000, lost: {}, lines } });
  });
  return visit;
}

/** A screenshot without text. @param {Page} page @param {string} selector */
async function drawn(page, selector) {
  await page.locator(selector).first().waitFor();
  return page.locator(selector).first().screenshot({ animations: "disabled", style: "svg text { visibility: hidden !important; }" });
}

/** The share of visibly different pixels, or a mismatch of sizes. @param {Page} page @param {Buffer} one @param {Buffer} other */
async function difference(page, one, other) {
  return page.evaluate(async (pictures) => {
    const pixels = await Promise.all(
      pictures.map(async (bytes) => {
        const image = await createImageBitmap(new Blob([Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0))], { type: "image/png" }));
        const canvas = new OffscreenCanvas(image.width, image.height);
        const context = canvas.getContext("2d");
        context?.drawImage(image, 0, 0);
        return { width: image.width, height: image.height, data: context?.getImageData(0, 0, image.width, image.height).data ?? new Uint8ClampedArray() };
      }),
    );
    const [one, other] = pixels;
    if (one.width !== other.width || one.height !== other.height) return `${one.width}×${one.height} beside ${other.width}×${other.height}`;
    let differ = 0;
    // Antialiasing changes a colour slightly; a moved line changes it more.
    for (let at = 0; at < one.data.length; at += 4) if ([0, 1, 2].some((part) => Math.abs(one.data[at + part] - other.data[at + part]) > 48)) differ += 1;
    return differ / (one.data.length / 4);
  }, [one, other].map((bytes) => bytes.toString("base64")));
}

/** @param {Page} page @param {string} name @param {Buffer} found */
async function matches(page, name, found) {
  const path = new URL(`baselines/${name}.png`, import.meta.url);
  if (process.env.ACCEPT_CHARTS) {
    await mkdir(new URL("baselines/", import.meta.url), { recursive: true });
    await writeFile(path, found);
  }
  assert.ok(existsSync(path), `there is no baseline ${name}; look at the chart and run ACCEPT_CHARTS=1 cargo xtask test dashboard`);
  const share = await difference(page, await readFile(path), found);
  if (typeof share === "number" && share <= MAX_DIFFERENCE) return;
  const kept = new URL(`../output/found-${name}.png`, import.meta.url);
  await mkdir(new URL("../output/", import.meta.url), { recursive: true });
  await writeFile(kept, found);
  assert.fail(`${name} differs from its baseline: ${typeof share === "number" ? `${Math.round(share * 10_000) / 100} % of it` : share}; see ${kept.pathname}, and accept it with ACCEPT_CHARTS=1 cargo xtask test dashboard if it is right`);
}

/** Antialiasing alone changes fewer pixels. */
const MAX_DIFFERENCE = 0.004;
const ROUTE = `/?site=demo&view=route&route=%2Fproduct%2F%3Aid&from=${FROM}&to=${FROM + 24 * HOUR}`;

for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
  test(`history, distribution and trend match their baselines in the ${colorScheme} theme`, async () => {
    const { page, go, context } = await visitor(colorScheme);
    // The distribution of all views does not depend on the time of sending.
    await page.route("**/api/vitals/distribution?*", (route) => route.continue({ url: route.request().url().replace(/from=\d+&to=\d+/, "window=2d") }));
    await go(ROUTE);
    await matches(page, `history-${colorScheme}`, await drawn(page, ".chart canvas"));
    await matches(page, `distribution-${colorScheme}`, await drawn(page, ".histogram"));
    await go(`/?site=demo&from=${FROM}&to=${FROM + 24 * HOUR}`);
    await matches(page, `trend-${colorScheme}`, await drawn(page, "[data-metric=LCP] .trend"));
    await context.close();
  });
}

test("a chart of values that are 3 % larger differs from the baseline", async () => {
  const { page, go, context } = await visitor("light", 1.03);
  await page.route("**/api/vitals/distribution?*", (route) => route.continue({ url: route.request().url().replace(/from=\d+&to=\d+/, "window=2d") }));
  await go(ROUTE);
  const share = await difference(page, await readFile(new URL("baselines/history-light.png", import.meta.url)), await drawn(page, ".chart canvas"));
  assert.ok(typeof share === "number" && share > MAX_DIFFERENCE, `${share}`);
  await context.close();
});
