// The dashboard of a large site: a thousand routes in the real Worker, and four hundred days. A page shows a
// bounded part of the data, and exports all of it. `cargo xtask bench dashboard` measures task durations, which
// would be unreliable in a test.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";

import { launch } from "../browser/chromium.mjs";
import { deploy } from "../lighthouse/deployment.mjs";
import { DAYS, ROUTES, fill, long } from "./large.mjs";
import { settled, visits } from "./visitor.mjs";

/** @typedef {import("playwright-core").Page} Page */
/** @type {Awaited<ReturnType<typeof deploy>>} */
let site;
/** @type {import("playwright-core").Browser} */
let browser;
before(async () => {
  site = await deploy("large", { SITES: { demo: { public: true }, "vitals-dashboard": { public: true } } });
  await fill(site.send, 1);
  browser = await launch("desktop");
});
after(async () => {
  await browser?.close();
  await site?.close();
});

const rows = (/** @type {Page} */ page) => page.locator("tbody tr").count();
const nodes = (/** @type {Page} */ page) => page.evaluate(() => document.querySelectorAll("*").length);
/** The limit of a page, for a site of any size. */
const MAX_NODES = 3000;

/** @param {Page} page @param {string} item */
async function exported(page, item) {
  await page.getByText("Export", { exact: true }).click();
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: item }).click()]);
  return readFile(await download.path(), "utf8");
}

test("of a thousand routes a hundred are shown at once, search finds each, and the export has all", async () => {
  const { page, go, complaints, context } = await visits(browser, site.origin);
  await go("/?site=demo&view=routes&sort=name");
  assert.equal(await rows(page), 100);
  assert.ok((await nodes(page)) < MAX_NODES);
  const seen = new Set();
  const collect = async () => (await page.locator("tr[data-group]").evaluateAll((all) => all.map((row) => row.getAttribute("data-group")))).forEach((name) => seen.add(name));
  await collect();
  for (let first = 101; first < ROUTES; first += 100) {
    await page.getByRole("button", { name: "Next" }).click();
    await page.getByText(`${first} – ${(first + 99).toLocaleString("en-US")} of 1,000`).waitFor();
    await page.locator("tbody tr").nth(99).waitFor();
    assert.equal(await rows(page), 100);
    await collect();
  }
  assert.equal(seen.size, ROUTES, "every route is on one of the pages");
  assert.ok(await page.getByRole("button", { name: "Next" }).isDisabled());
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), "Previous", "the focus moves to an enabled button");
  await page.getByRole("searchbox").fill("/shelf/99");
  await page.locator("tbody tr").nth(10).waitFor();
  assert.equal(await rows(page), 11);
  await page.getByRole("searchbox").fill("nowhere");
  await page.getByText("No matches.").waitFor();
  assert.equal((await exported(page, "Table (CSV)")).trimEnd().split("\r\n").length, ROUTES + 1);
  const { lines } = JSON.parse(await exported(page, "Document (JSON)"));
  assert.equal(new Set(lines.map((/** @type {any} */ { name }) => name)).size, ROUTES);
  assert.deepEqual(complaints, []);
  await context.close();
});

test("the budgets of a thousand routes are parsed in pieces, with the same result", async () => {
  const { page, go, complaints, context } = await visits(browser, site.origin);
  await go("/?site=demo&view=budgets");
  const answer = await fetch(`${site.origin}/api/budgets?site=demo&window=24h`);
  const truth = await answer.json();
  assert.ok(truth.cells.length > 6 * ROUTES, `${truth.cells.length} cells`);
  assert.equal(await page.getByRole("link", { name: /^All / }).textContent(), `All ${truth.cells.length.toLocaleString("en-US")}`);
  assert.equal(await rows(page), 100);
  assert.ok((await nodes(page)) < MAX_NODES);
  const named = (/** @type {any} */ { route, device, metric, verdict, n, k }) => `${route} ${device} ${metric} ${verdict} ${n} ${k}`;
  const { cells } = JSON.parse(await exported(page, "Document (JSON)"));
  assert.deepEqual(cells.map(named).sort(), truth.cells.map(named).sort());
  assert.equal((await exported(page, "Table (CSV)")).trimEnd().split("\r\n").length, truth.cells.length + 1);
  assert.deepEqual(complaints, []);
  await context.close();
});

test("the overview does not request a thousand routes, and stays short", async () => {
  const { page, go, complaints, context } = await visits(browser, site.origin);
  const [summary, standing] = ["/api/vitals/summary", "/api/budgets"].map((path) => page.waitForResponse((response) => response.url().includes(path)));
  await go("/?site=demo");
  assert.deepEqual((await (await summary).json()).cells, []);
  assert.ok((await (await standing).body()).length < 100_000);
  // The most urgent cells, computed from all cells.
  const truth = await (await fetch(`${site.origin}/api/budgets?site=demo&window=24h`)).json();
  const own = truth.cells.filter((/** @type {any} */ { route }) => route !== null);
  const beyond = (/** @type {any} */ { n, k, percentile }) => Math.round(n - k - n * (1 - percentile / 100));
  const most = own.filter((/** @type {any} */ { verdict, watch }) => ["violated", "at-limit"].includes(verdict) || watch?.alarm).map(beyond).sort((/** @type {number} */ one, /** @type {number} */ other) => other - one);
  const shown = await page.locator("section[aria-labelledby=attention] tbody tr").evaluateAll((rows) => rows.map((row) => [row.querySelector("th a")?.textContent, ...[...row.querySelectorAll("td")].slice(0, 2).map((cell) => cell.textContent)]));
  const found = shown.map(([route, device, metric]) => own.find((/** @type {any} */ each) => each.route === route && each.device === device && each.metric === metric));
  assert.deepEqual(found.map(beyond), most.slice(0, 8));
  const silent = own.filter((/** @type {any} */ { verdict }) => verdict === "unknown" || verdict === "insufficient").length;
  await page.getByText(`Insufficient data for ${silent.toLocaleString("en-US")} budgets`).waitFor();
  assert.ok((await nodes(page)) < MAX_NODES / 5);
  assert.deepEqual(complaints, []);
  await context.close();
});

test("four hundred days are one chart, with PNG and JSON exports", async () => {
  const { page, go, complaints, context } = await visits(browser, site.origin);
  await page.route("**/api/vitals/series?*", async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, json: long(await answer.json()) });
  });
  await go("/?site=demo&view=route&route=%2Fshelf%2F7%2Fitem&window=400d");
  await page.locator(".chart canvas").waitFor();
  assert.match(String(await page.locator(".chart").getAttribute("aria-label")), new RegExp(`${DAYS} points`));
  assert.ok((await nodes(page)) < MAX_NODES / 5);
  assert.equal(JSON.parse(await exported(page, "Document (JSON)")).series.length, DAYS);
  await page.getByText("Export", { exact: true }).click();
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Chart (PNG)" }).click()]);
  const png = await readFile(await download.path());
  // IHDR: width and height of the image are bounded.
  assert.ok(png.readUInt32BE(16) < 4000 && png.readUInt32BE(20) < 4000, `${png.readUInt32BE(16)}×${png.readUInt32BE(20)}`);
  assert.deepEqual(complaints, []);
  await context.close();
});

test("navigation does not wait for the previous view to load", async () => {
  const { page, go, complaints, context } = await visits(browser, site.origin);
  await go("/?site=demo&view=compare");
  await page.getByRole("link", { name: "Budgets", exact: true }).click();
  await page.getByRole("link", { name: "Health", exact: true }).click();
  await page.locator("[data-health]").waitFor();
  await settled(page);
  assert.equal(await page.locator("h1").textContent(), "Health");
  assert.deepEqual(complaints.filter((each) => !/\b(401|503)\b/.test(each)), []);
  await context.close();
});
