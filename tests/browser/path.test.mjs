// The whole path: real visits in Chromium, one beacon each, the Worker in workerd, its Durable Object,
// the verdict against budgets.json, the summary, and the page that shows it. N visits make exactly N
// views.
import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import { after, before, test } from "node:test";

import { line, serve } from "../product.mjs";
import { DEVICES, launch, summaryOf, visit } from "./chromium.mjs";

const VISITS = /** @type {const} */ ([
  ["/demo/", "desktop", false],
  ["/demo/", "desktop", true],
  ["/demo/product/1", "desktop", false],
  ["/demo/product/2", "phone", false],
  ["/demo/product/1", "phone", true],
  ["/demo/article/budgets", "phone", false],
]);

/** @type {Awaited<ReturnType<typeof serve>>} */
let product;
/** @type {Record<keyof typeof DEVICES, import("playwright-core").Browser>} */
let browsers;
before(async () => {
  product = await serve();
  browsers = { desktop: await launch("desktop"), phone: await launch("phone") };
});
after(async () => {
  await browsers?.desktop.close();
  await browsers?.phone.close();
  await product?.close();
});

test("N visits make exactly N views, each metric on its route and device", async () => {
  for (const [path, device, slow] of VISITS) await visit(browsers[device], product.origin + path, { device, slow });
  const summary = await summaryOf(product.origin, VISITS.length);
  assert.deepEqual(
    { views: summary.views, visits: summary.visits, sent: summary.sent, heard: summary.heard, lost: summary.lost },
    { views: 6, visits: 6, sent: 6, heard: 6, lost: {} },
  );
  for (const [route, device, n] of /** @type {const} */ ([
    ["/demo/", "desktop", 2],
    ["/demo/product/:id", "desktop", 1],
    ["/demo/product/:id", "phone", 2],
    ["/demo/article/:id", "phone", 1],
  ])) {
    for (const metric of ["FCP", "LCP", "CLS", "INP", "FID", "TTFB"]) {
      const cell = line(summary, route, metric, device);
      assert.equal(cell?.n, n, `${metric} of ${route} on ${device}`);
      assert.equal(cell.verdict, "insufficient", "a few visits prove nothing");
      assert.equal(cell.budget.n, n);
      assert.ok(cell.p75 >= 0);
    }
  }
  const article = line(summary, "/demo/article/:id", "CLS", "phone");
  assert.ok(article.p75 >= 0 && article.p75 < 1, `the article shifts slightly: ${article.p75}`);
});

test("a visit shows its own vitals beside the budgets, and the summary shows those of all visits", async () => {
  const context = await browsers.desktop.newContext(DEVICES.desktop);
  const page = await context.newPage();
  /** @type {string[]} */
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  await page.goto(`${product.origin}/demo/product/1`);
  const verdict = page.locator("[data-metric=LCP] td").last();
  await verdict.filter({ hasText: "within budget" }).waitFor();
  await page.locator("[data-work]").click();
  await page.locator("[data-metric=INP] td").last().filter({ hasText: "budget" }).waitFor();
  await mkdir(new URL("../output", import.meta.url), { recursive: true });
  const picture = (/** @type {string} */ name) => new URL(`../output/${name}.png`, import.meta.url).pathname;
  await page.screenshot({ path: picture("visit"), fullPage: true });

  await page.goto(`${product.origin}/`);
  const lcp = page.locator("[data-metric=LCP]").first();
  await lcp.waitFor();
  const summary = await summaryOf(product.origin, VISITS.length);
  const cells = summary.cells.filter((/** @type {any} */ cell) => cell.metric === "LCP");
  const counted = cells.reduce((/** @type {number} */ sum, /** @type {any} */ cell) => sum + cell.n, 0);
  assert.equal(await lcp.locator("[data-n]").textContent(), `${counted} views`);
  assert.equal(await lcp.getAttribute("data-verdict"), "insufficient");
  await page.screenshot({ path: picture("summary"), fullPage: true });
  assert.deepEqual(errors, []);
  await context.close();
});

test("the snippet in the README is sufficient for a page", async () => {
  const readme = await readFile(new URL("../../README.md", import.meta.url), "utf8");
  const snippet = readme.split("```html\n")[1].split("```")[0];
  const before = (await product.summary()).views;
  const context = await browsers.desktop.newContext(DEVICES.desktop);
  const page = await context.newPage();
  await page.route("**/readme/7", (route) =>
    route.fulfill({ contentType: "text/html", body: `<!doctype html><title>A page</title><h1>A page</h1>${snippet}` }),
  );
  await page.goto(`${product.origin}/readme/7`);
  await page.waitForFunction(() => performance.getEntriesByName("first-contentful-paint").length === 1);
  await page.goto("about:blank");
  const summary = await summaryOf(product.origin, before + 1);
  assert.equal(summary.views, before + 1);
  assert.equal(line(summary, "/readme/:id", "FCP").n, 1);
  await context.close();
});
