// The dashboard in Chromium, against the deployed Worker in workerd and a known data set. Expected values are
// computed from plain arrays of the sent views.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { brotliCompressSync } from "node:zlib";

import { launch } from "../browser/chromium.mjs";
import { beacon, serve } from "../product.mjs";
import { number, photographed, settled, text, visits } from "./visitor.mjs";
import { RECENT, VISITS, exact, send, values } from "./visits.mjs";

const require = createRequire(import.meta.url);

/** @typedef {import("playwright-core").Page} Page */
/** @type {Awaited<ReturnType<typeof serve>>} */
let product;
/** @type {import("playwright-core").Browser} */
let browser;

before(async () => {
  product = await serve({
    SITES: { demo: { public: true, countries: true }, quiet: { public: true }, strict: { public: true, origins: ["https://portal.example"] }, busy: { public: true }, shut: {}, "vitals-dashboard": { public: true } },
    READ_TOKEN: "open sesame",
    MANAGE_TOKEN: "manage sesame",
  });
  await send(product);
  const uploaded = await fetch(`${product.origin}/api/lab?site=demo`, { method: "POST", headers: { authorization: "Bearer manage sesame" }, body: JSON.stringify({ v: 1, release: "2.4.0", pages: LAB }) });
  assert.equal(uploaded.status, 200, await uploaded.text());
  await product.send(beacon({ site: "shut", path: "/inside" }));
  browser = await launch("desktop");
});
after(async () => {
  await browser?.close();
  await product?.close();
});

/** Uploaded Lighthouse results. */
const LAB = [
  { path: "/product/7", device: "phone", runs: 5, medians: { LCP: 1912.4, CLS: 0.021, TBT: 184 }, score: 0.93 },
  { path: "/product/8", device: "phone", runs: 5, medians: { LCP: 2204.6, CLS: 0.004 }, score: 0.9 },
  { path: "/cart", device: "desktop", runs: 3, medians: { LCP: 701 } },
];
const VIEWS = /** @type {Record<string, string>} */ ({
  overview: "/?site=demo",
  routes: "/?site=demo&view=routes",
  route: "/?site=demo&view=route&route=%2Fproduct%2F%3Aid",
  budgets: "/?site=demo&view=budgets",
  compare: "/?site=demo&view=compare&a=2.3.1&b=2.4.0",
  empty: "/?site=quiet",
  door: "/?site=shut",
});

/** @param {import("playwright-core").BrowserContextOptions} [options] */
const visitor = (options) => visits(browser, product.origin, options);
/** Percentiles are accurate to 1.6 %, and shown in whole milliseconds. @param {number} found @param {number} truth @param {string} what */
function near(found, truth, what) {
  assert.ok(Math.abs(found - truth) <= truth / 64 + (truth > 1 ? 0.5 : 0.0005), `${what} is ${found}, exactly ${truth}`);
}
/** @param {Page} page @param {string} item */
async function exported(page, item) {
  await page.getByText("Export", { exact: true }).click();
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: item }).click()]);
  return readFile(await download.path(), "utf8");
}

test("the overview shows each metric as it was sent", async () => {
  const { page, go, complaints, context } = await visitor();
  await go(VIEWS.overview);
  for (const metric of ["LCP", "INP", "CLS", "FCP", "FID"]) {
    const all = values(metric);
    const card = `[data-metric=${metric}]`;
    near(number(await text(page, `${card} [data-p75]`)), exact(all, 75), `p75 of ${metric}`);
    assert.equal(number(await text(page, `${card} [data-n]`)), all.length, `views of ${metric}`);
    const [good, poor] = /** @type {Record<string, [number, number]>} */ ({ LCP: [2500, 4000], INP: [200, 500], CLS: [0.1, 0.25], FCP: [1800, 3000], FID: [100, 300] })[metric];
    const share = (/** @type {(value: number) => boolean} */ is) => (all.filter(is).length / all.length) * 100;
    for (const [part, truth] of /** @type {[string, number][]} */ ([["good", share((value) => value <= good)], ["between", share((value) => value > good && value <= poor)], ["poor", share((value) => value > poor)]])) {
      const shown = number(await text(page, `${card} .legend .${part}`));
      assert.ok(Math.abs(shown - truth) < 0.06, `${part} of ${metric} is ${shown} %, exactly ${truth} %`);
    }
  }
  // One of the phone views was not measured.
  const phone = values("LCP", ({ device }) => device === "phone");
  const within = phone.filter((value) => value <= 2000).length;
  assert.equal(await text(page, "[data-metric=LCP] [data-kept]"), `phone: ${Math.round((within / phone.length) * 1000) / 10}% of ${phone.length} within 2,000 ms`);
  assert.equal(await page.locator("[data-metric=LCP]").first().getAttribute("data-verdict"), "violated");
  assert.equal(number(await text(page, "[data-fact=Views] b")), VISITS.length + 2);
  assert.match(String(await text(page, "[data-fact='Beacons received']")), new RegExp(`${VISITS.length + 2} of ${VISITS.length + 4}`));
  assert.match(String(await text(page, ".losses")), /Beacons lost in transit2.*page hidden before measurement started1/);
  assert.deepEqual(complaints, []);
  await context.close();
});

test("the scores are Lighthouse's scores of the exact percentiles", async () => {
  const { fieldScore } = require("../../pkg/dist/toolkit/toolkit.cjs");
  const { page, go, context } = await visitor();
  await go(VIEWS.overview);
  for (const device of /** @type {const} */ (["phone", "desktop"])) {
    const p75 = Object.fromEntries(["FCP", "LCP", "CLS", "INP"].map((metric) => [metric, exact(values(metric, (visit) => visit.device === device), 75)]));
    const truth = fieldScore(p75, device === "desktop") * 100;
    const shown = number(await text(page, `[data-score=${device}] text`));
    assert.ok(Math.abs(shown - truth) <= 2, `the score of ${device} is ${shown}, of exact percentiles ${truth}`);
  }
  // The parts combine all devices, weighted by views.
  const { score } = require("../../pkg/dist/toolkit/toolkit.cjs");
  const audits = /** @type {const} */ ({ FCP: "first-contentful-paint", LCP: "largest-contentful-paint", CLS: "cumulative-layout-shift", INP: "interaction-to-next-paint" });
  for (const [metric, audit] of Object.entries(audits)) {
    const of = (/** @type {string} */ device) => values(metric, (visit) => visit.device === device);
    const all = ["phone", "desktop"].map((device) => ({ n: of(device).length, score: (score(audit, exact(of(device), 75), device === "desktop") ?? NaN) * 100 }));
    const truth = all.reduce((sum, one) => sum + one.n * one.score, 0) / all.reduce((sum, one) => sum + one.n, 0);
    const shown = number(await text(page, `[data-part=${metric}] span`));
    assert.ok(Math.abs(shown - truth) <= 2, `${metric} has ${shown}, of exact percentiles ${truth}`);
  }
  await context.close();
});

test("routes are ranked by lost time, and the export matches the table", async () => {
  const { page, go, context } = await visitor();
  await go(VIEWS.routes);
  const truth = [...new Set(VISITS.map(({ route }) => route))].map((route) => {
    const all = values("LCP", (visit) => visit.route === route);
    return { route, n: all.length, lost: all.reduce((sum, value) => sum + Math.max(0, value - 2500), 0) / 1000, p75: exact(all, 75) };
  });
  const csv = (await exported(page, "Table (CSV)")).trimEnd().split("\r\n").map((row) => row.split(","));
  const rows = csv.slice(1).map((row) => Object.fromEntries(csv[0].map((name, column) => [name, row[column]])));
  const shown = await page.locator("tbody tr").evaluateAll((all) => all.map((row) => row.getAttribute("data-group")));
  assert.deepEqual(rows.map(({ route }) => route), shown, "the export has the rows of the table");
  assert.deepEqual([...shown].slice(0, 3), truth.sort((one, other) => other.lost - one.lost).slice(0, 3).map(({ route }) => route));
  for (const { route, n, lost, p75 } of truth) {
    const row = rows.find((row) => row.route === route) ?? {};
    assert.equal(Number(row.n), n, route);
    near(Number(row.p75), p75, `p75 of ${route}`);
    // Values are represented by the midpoint of their bucket, which may be 1.6 % off.
    const slack = values("LCP", (visit) => visit.route === route).reduce((sum, value) => sum + (value > 2460 ? value / 64 : 0), 0) / 1000;
    assert.ok(Math.abs(Number(row.seconds_lost) - lost) <= slack + 0.1, `${row.seconds_lost} s lost on ${route}, exactly ${lost}`);
  }
  await page.getByRole("button", { name: "Views" }).click();
  await settled(page);
  assert.match(page.url(), /sort=n/);
  assert.equal(await page.locator("tbody tr").first().getAttribute("data-group"), "/");
  const document = JSON.parse(await exported(page, "Document (JSON)"));
  assert.equal(document.site, "demo");
  await context.close();
});

test("groups and filters count the same views, and the address keeps them", async () => {
  const { page, go, context } = await visitor();
  for (const [os, device] of [["Linux", "desktop"], ["iOS", "phone"]]) {
    await go(`${VIEWS.routes}&by=os&metric=INP`);
    assert.equal(number(await text(page, `tr[data-group="${os}"] td.number`)), values("INP", (visit) => visit.device === device).length);
  }
  await go(`${VIEWS.routes}&by=country&metric=INP`);
  for (const country of ["AT", "DE"]) {
    assert.equal(number(await text(page, `tr[data-group="${country}"] td.number`)), values("INP", (visit) => visit.country === country).length);
  }
  await go(`${VIEWS.routes}&by=net&metric=INP`);
  for (const net of ["4g", "3g"]) {
    const all = values("INP", (visit) => visit.net === net);
    const cells = await page.locator(`tr[data-group="${net}"] td.number`).allTextContents();
    assert.equal(number(cells[0]), all.length);
    near(number(cells[1]), exact(all, 75), `INP over ${net}`);
  }
  await page.getByRole("link", { name: "3g" }).click();
  await settled(page);
  await page.reload();
  await settled(page);
  const slow = values("INP", ({ net, route }) => net === "3g" && route === "/");
  assert.equal(number(await text(page, 'tr[data-group="/"] td.number')), slow.length);
  await page.getByRole("link", { name: "Remove filter: Connection is 3g" }).click();
  await settled(page);
  assert.equal(number(await text(page, 'tr[data-group="/"] td.number')), values("INP", ({ route }) => route === "/").length);
  await context.close();
});

test("a route shows any percentile, computed in the page, and hits and misses", async () => {
  const { page, go, complaints, context } = await visitor();
  await go(VIEWS.route);
  const of = (/** @type {(visit: import("./visits.mjs").Visit) => boolean} */ keep) => values("LCP", (visit) => visit.route === "/product/:id" && keep(visit));
  for (const percent of [75, 90, 33, 1]) {
    await page.locator("#percentile").fill(String(percent));
    const told = String(await text(page, "[data-percentile]"));
    near(number(told.split(": ")[1]), exact(of(() => true), percent), `p${percent}`);
  }
  for (const cache of ["hit", "miss"]) {
    const cells = await page.locator(`[data-by=cache] tr[data-group=${cache}] td.number`).allTextContents();
    const all = of((visit) => visit.cache === cache);
    assert.equal(number(cells[0]), all.length);
    near(number(cells[1]), exact(all, 75), `LCP of a ${cache}`);
  }
  await page.locator(".chart canvas").waitFor();
  const points = JSON.parse(await exported(page, "Document (JSON)")).series;
  assert.equal(points.reduce((/** @type {number} */ sum, /** @type {any} */ point) => sum + point.n, 0), of(() => true).length);
  const [picture] = await Promise.all([page.waitForEvent("download"), page.getByText("Export", { exact: true }).click().then(() => page.getByRole("button", { name: "Chart (PNG)" }).click())]);
  const png = await readFile(await picture.path());
  assert.equal(png.subarray(1, 4).toString(), "PNG");
  assert.deepEqual(complaints, []);
  await context.close();
});

test("a route shows the causes of slow visits: parts, elements and scripts", async () => {
  const { page, go, complaints, context } = await visitor();
  await go(VIEWS.route);
  const of = (/** @type {string} */ metric, /** @type {number} */ limit) => VISITS.filter(({ route, m }) => route === "/product/:id" && m[metric] > limit);
  const slow = of("LCP", 2000);
  const mean = (/** @type {string} */ part) => slow.reduce((sum, { a }) => sum + Number(a?.LCP[part]), 0) / slow.length;
  for (const [name, part] of [["time-to-first-byte", "timeToFirstByte"], ["resource-load-delay", "resourceLoadDelay"], ["resource-load-duration", "resourceLoadDuration"], ["element-render-delay", "elementRenderDelay"]]) {
    const shown = number(await text(page, `[data-part=${name}] b`));
    assert.ok(Math.abs(shown - mean(part)) <= 1, `${name} is ${shown} ms, in truth ${mean(part)}`);
  }
  const named = async (/** @type {string} */ name) => number(await text(page, `tr[data-cause="${name}"] td.number`));
  assert.equal(await named("main>img.hero"), slow.filter(({ a }) => a?.LCP.target === "main>img.hero").length);
  assert.equal(await named("main>p.lead"), slow.filter(({ a }) => a?.LCP.target === "main>p.lead").length);
  assert.equal(await named("https://shop.example/hero.avif"), slow.length);
  await go(`${VIEWS.route}&metric=INP`);
  const late = of("INP", 200);
  assert.equal(await named("https://tags.example/t.js"), late.filter(({ a }) => a?.INP.script === "https://tags.example/t.js").length);
  assert.equal(await named("button.buy"), late.length);
  assert.deepEqual(complaints, []);
  await context.close();
});

test("a release is marked in the chart where it first appears", async () => {
  const { page, go, context } = await visitor();
  await go(VIEWS.route);
  assert.equal(await page.locator("[data-mark]").count(), 1, "releases from before the time range are not marked");
  const hour = 3_600_000;
  const recent = VISITS.filter(({ route, release }) => route === "/product/:id" && release === RECENT);
  const first = Date.now() - Math.max(...recent.map(({ age }) => age));
  const told = String(await text(page, `[data-mark="release ${RECENT}"]`)).replace(/^Release \S+ /, "");
  assert.ok(Math.abs(Date.parse(`${told} UTC`) - first) <= hour, `${told}, in truth ${new Date(first).toISOString()}`);
  await context.close();
});

test("each budget shows its counts, its verdict, and the views needed for one", async () => {
  const { verdict } = require("../../pkg/dist/toolkit/toolkit.cjs");
  const { page, go, context } = await visitor();
  await go(VIEWS.budgets);
  const limits = { LCP: 2000, FCP: 1500, INP: 200, CLS: 0.1 };
  for (const [metric, limit] of Object.entries(limits)) {
    for (const device of ["phone", "desktop"]) {
      for (const route of ["/", "/product/:id", "/search", "/cart", "/checkout", "/help"]) {
        const all = values(metric, (visit) => visit.route === route && visit.device === device);
        const k = all.filter((value) => value <= limit).length;
        const row = page.locator(`tr[data-cell="${route} ${device} ${metric}"]`);
        assert.equal(await row.getAttribute("data-verdict"), verdict(all.length, k, 75, 30), `${metric} of ${route} on ${device}: ${k} of ${all.length}`);
        assert.match(String(await row.locator("td.number").nth(3).textContent()), new RegExp(`^${k} of ${all.length}`));
      }
    }
  }
  const waits = String(await text(page, 'tr[data-cell="/help phone LCP"] .words'));
  const more = number(waits.replace("about ", ""));
  const few = values("LCP", ({ route, device }) => route === "/help" && device === "phone");
  const share = few.filter((value) => value <= 2000).length / few.length;
  const then = verdict(few.length + more, Math.floor(share * (few.length + more)), 75, 30);
  assert.notEqual(then, "insufficient", `${waits} does decide`);
  await page.getByRole("link", { name: /Over budget/ }).click();
  await settled(page);
  assert.ok((await page.locator("tbody tr").evaluateAll((rows) => rows.map((row) => row.getAttribute("data-verdict")))).every((each) => each === "violated"));
  await context.close();
});

test("lab values appear next to field values: the slowest page of a route, and TBT for INP", async () => {
  const { page, go, context } = await visitor();
  await go(VIEWS.budgets);
  const lab = async (/** @type {string} */ cell) => (await page.locator(`tr[data-cell="${cell}"] [data-lab]`).allTextContents()).join();
  assert.match(await lab("/product/:id phone LCP"), /^2,205 ms2\.4\.0$/);
  assert.match(await lab("/product/:id phone INP"), /^184 msTBT, 2\.4\.0$/);
  assert.match(await lab("/product/:id phone CLS"), /^0\.021/);
  assert.match(await lab("/cart desktop LCP"), /^701 ms/);
  assert.equal(await lab("/cart phone LCP"), "", "an unmeasured value is empty");
  await context.close();
});

test("two releases are compared side by side", async () => {
  const { page, go, context } = await visitor();
  await go(VIEWS.compare);
  const cells = await page.locator("tr[data-metric=LCP] td.number").allTextContents();
  const of = (/** @type {string} */ release) => exact(values("LCP", (visit) => visit.release === release), 75);
  near(number(cells[0].split(" ms")[0]), of("2.3.1"), "p75 before");
  near(number(cells[1].split(" ms")[0]), of("2.4.0"), "p75 now");
  await context.close();
});

test("every view passes axe in both themes, and fits at three widths", async () => {
  await photographed(browser, product.origin, VIEWS, async (page, name) => {
    if (name === "route") await page.locator(".chart canvas").waitFor();
    if (name === "overview") await page.locator("[data-live=on]").waitFor();
  });
});

test("on a phone, budgets and their verdicts are visible without scrolling a table", async () => {
  const { page, go, context } = await visitor({ viewport: { width: 390, height: 844 } });
  for (const [view, row] of [["overview", "[aria-labelledby=attention] tbody tr"], ["routes", "tr[data-group]"], ["budgets", "tr[data-cell]"], ["compare", "tr[data-metric=LCP]"]]) {
    await go(VIEWS[view]);
    for (const part of await page.locator(row).first().locator("th, td:visible").all()) {
      const box = await part.boundingBox();
      assert.ok(box && box.width > 0 && box.x >= 0 && box.x + box.width <= 390, `${view}: ${JSON.stringify(box)}`);
    }
  }
  // Without column headers, each cell has a label.
  await go(VIEWS.budgets);
  const cells = page.locator('tr[data-cell="/product/:id phone LCP"] td');
  const named = await cells.evaluateAll((cells) => cells.map((cell) => [getComputedStyle(cell, "::before").content, cell.firstChild?.textContent]));
  for (const [name, value] of [["Device", "phone"], ["Metric", "LCP"], ["Budget", "≤ 2,000 ms"]]) assert.ok(named.some(([before, text]) => before === `"${name}"` && text === value), JSON.stringify(named));
  await context.close();
});

test("filters, views and routes are reachable by keyboard", async () => {
  const { page, go, context } = await visitor();
  await go(VIEWS.overview);
  const focused = () => page.evaluate(() => document.activeElement?.textContent ?? "");
  const until = async (/** @type {string} */ wanted) => {
    for (let steps = 0; steps < 60; steps += 1) {
      await page.keyboard.press("Tab");
      if ((await focused()).trim() === wanted) return;
    }
    assert.fail(`Tab does not reach ${wanted}`);
  };
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "Skip to content");
  await until("Routes");
  await page.keyboard.press("Enter");
  await page.locator("tr[data-group]").first().waitFor();
  assert.equal(await page.evaluate(() => document.activeElement?.id), "content", "the content comes next");
  await page.locator("body").press("Home");
  await page.evaluate(() => document.querySelector("a")?.focus());
  await until("+ Filter");
  await page.keyboard.press("Enter");
  await page.locator("dialog[open] .values button").first().waitFor();
  await page.keyboard.press("Escape");
  await page.locator("dialog").waitFor({ state: "detached" });
  await page.keyboard.press("Enter");
  await page.locator("dialog[open] .values button").first().waitFor();
  await until(`desktop${values("TTFB", ({ device }) => device === "desktop").length + 1}`);
  await page.keyboard.press("Enter");
  await page.locator(".chip").waitFor();
  await settled(page);
  await page.evaluate(() => document.getElementById("content")?.focus());
  await until("/checkout");
  await page.keyboard.press("Enter");
  await page.locator("h1.path").waitFor();
  assert.match(page.url(), /device=desktop.*|view=route/);
  await context.close();
});

test("a site without data shows the setup steps, which suffice to get data", async () => {
  const { page, go, context } = await visitor();
  await go(VIEWS.empty);
  const snippet = String(await text(page, "[data-snippet]"));
  const other = await context.newPage();
  await other.route("**/welcome", (route) => route.fulfill({ contentType: "text/html", body: `<!doctype html><title>A page</title><h1>A page</h1>${snippet}` }));
  await other.goto(`${product.origin}/welcome`);
  await other.waitForFunction(() => performance.getEntriesByName("first-contentful-paint").length === 1);
  await other.goto("about:blank");
  await other.close();
  // The page updates by itself.
  await page.locator("[data-metric=LCP]").first().waitFor();
  assert.equal(number(await text(page, "[data-fact=Views] b")), 1);
  assert.equal(await page.locator("[data-metric=FCP]").first().getAttribute("data-verdict"), "insufficient", "a single view is insufficient");
  await context.close();
});

test("the snippet works on pages of another origin, and a site whose beacons are refused says so and what to change", async () => {
  const { page, go, context } = await visitor();
  await go("/?site=strict");
  assert.equal(await page.getByRole("alert").count(), 0);
  const snippet = String(await text(page, "[data-snippet]"));
  for (const words of ["npm install edge-vitals", '<Vitals site="strict"']) assert.ok(String(await text(page, "main")).includes(words), words);
  const other = await context.newPage();
  /** @type {string[]} */
  const errors = [];
  other.on("pageerror", ({ message }) => errors.push(message));
  const pages = createServer((_, response) => response.writeHead(200, { "content-type": "text/html" }).end(`<!doctype html><title>A page</title><link rel="icon" href="data:,"><h1>A page</h1>${snippet}`));
  await new Promise((resolve) => void pages.listen(0, "127.0.0.1", () => resolve(undefined)));
  await other.goto(`http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (pages.address()).port}/`);
  await other.waitForFunction(() => performance.getEntriesByName("first-contentful-paint").length === 1);
  await other.evaluate(() => new Promise((resolve) => requestIdleCallback(resolve)));
  await other.goto("about:blank");
  pages.close();
  await page.waitForFunction(async () => (await (await fetch("/api/vitals/summary?site=strict")).json()).refused["foreign-origin"] === 1, undefined, { polling: 100 });
  assert.deepEqual(errors, []);
  await page.getByRole("button", { name: "Refresh" }).click();
  await page.getByRole("alert").filter({ hasText: "1 beacon refused: the origin of the pages is not in origins of strict in SITES" }).waitFor();
  await context.close();
});

test("fifty visits at once are counted on the page within two seconds, without a reload", async () => {
  const { page, go, complaints, context } = await visitor();
  await product.send(beacon({ site: "busy" }));
  const opened = page.waitForEvent("websocket");
  await go("/?site=busy");
  const gone = (await opened).waitForEvent("close");
  await page.locator("[data-live=on]").waitFor();
  assert.equal(await text(page, "[data-live-views]"), "0");
  await page.evaluate(() => (document.documentElement.dataset.since = "before"));
  const answers = await Promise.all(Array.from({ length: 50 }, () => product.send(beacon({ site: "busy", m: { LCP: 900 } }))));
  assert.ok(answers.every(({ ok }) => ok));
  await page.waitForFunction(() => document.querySelector("[data-live-views]")?.textContent === "50", undefined, { timeout: 2000, polling: 50 });
  assert.equal(await page.evaluate(() => document.documentElement.dataset.since), "before", "the page is the same");
  assert.match(String(await page.locator(".pulse").getAttribute("aria-label")), /^50 views in the last minute/);
  // Other views have no WebSocket.
  await Promise.all([gone, page.getByRole("link", { name: "Budgets", exact: true }).click()]);
  assert.deepEqual(complaints, []);
  await context.close();
});

test("a site that is not public requires a token, and signing out removes it", async () => {
  const { page, go, context } = await visitor();
  await go(VIEWS.door);
  await page.getByLabel("Read token").fill("wrong");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("Invalid token.").waitFor();
  await page.getByLabel("Read token").fill("open sesame");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.locator("[data-metric=LCP]").first().waitFor();
  assert.equal(number(await text(page, "[data-fact=Views] b")), 1);
  await page.locator("[data-live=on]").waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("Read token").waitFor();
  await context.close();
});

test("offline, the data stays and is marked as old; a rejected request states the cause", async () => {
  const { page, go, context } = await visitor();
  await go(VIEWS.overview);
  await context.setOffline(true);
  await page.getByRole("button", { name: "Refresh" }).click();
  await page.locator("#notice.stale").filter({ hasText: "offline" }).waitFor();
  assert.equal(number(await text(page, "[data-metric=LCP] [data-n]")), values("LCP").length);
  await page.getByRole("link", { name: "Budgets", exact: true }).click();
  await page.getByText("This device is offline.").first().waitFor();
  await context.setOffline(false);
  await page.locator("tr[data-cell]").first().waitFor();
  await go("/?site=demo&device=watch");
  await page.getByText("The Worker rejected the request").waitFor();
  await context.close();
});

test("a module that fails to load is reported, and loads with the next try", async () => {
  const { page, go, context } = await visitor();
  await go(VIEWS.overview);
  await page.route("**/dashboard/parts/budgets-*", (route) => route.abort());
  await page.getByRole("link", { name: "Budgets", exact: true }).click();
  await page.getByText("Part of the dashboard failed to load.").waitFor();
  await page.unroute("**/dashboard/parts/budgets-*");
  await page.getByRole("button", { name: "Try again" }).click();
  await page.locator("tr[data-cell]").first().waitFor();
  await context.close();
});

test("numbers and times follow the reader's locale and time zone", async () => {
  const { page, go, context } = await visitor({ locale: "de-DE", timezoneId: "Asia/Tokyo" });
  await go(VIEWS.overview);
  assert.match(String(await text(page, "[data-metric=LCP] [data-p75]")), /^\d\.\d{3} ms$/);
  const [from, to] = [Date.UTC(2026, 0, 5, 16), Date.UTC(2026, 0, 6, 16)];
  await go(`/?site=demo&from=${from}&to=${to}`);
  assert.match(String(await text(page, "#window option:checked")), /06\.01\.2026, 01:00.*07\.01\.2026, 01:00/);
  await context.close();
});

test("a score of too few views and its parts are styled as insufficient", async () => {
  const { page, go, context } = await visitor();
  const few = VISITS.filter(({ release, net }) => release === RECENT && net === "3g").length;
  assert.ok(few > 0 && few < 30, `${few} views`);
  await go(`/?site=demo&release=${RECENT}&net=3g`);
  const kinds = await page.locator("[data-score], li[data-part]").evaluateAll((all) => all.map(({ className }) => className.replace(/^score /, "")));
  assert.ok(kinds.length > 2);
  assert.deepEqual([...new Set(kinds)], ["insufficient"]);
  await go("/?site=demo");
  assert.ok((await page.locator("li[data-part].good").count()) > 0);
  await context.close();
});

test("a first visit downloads less than 120 KB, and the dashboard measures itself", async () => {
  const { page, go, context } = await visitor();
  /** @type {Promise<number>[]} */
  const sizes = [];
  page.on("response", (response) => {
    // The response body of a terminated worker is not available, so the script is fetched again.
    const body = async () => (response.url().endsWith("/intl_warmup.js") ? Buffer.from(await (await fetch(response.url())).arrayBuffer()) : response.body());
    const squeezed = async () => brotliCompressSync(await body()).length;
    if (response.request().method() === "GET") sizes.push(squeezed());
  });
  const before = (await product.summary("site=vitals-dashboard")).views;
  await go(VIEWS.route);
  await page.waitForLoadState("networkidle");
  const total = (await Promise.all(sizes)).reduce((sum, each) => sum + each, 0);
  assert.ok(total > 60_000 && total < 120_000, `${total} B`);
  await page.goto("about:blank");
  for (;;) {
    const { views, cells } = await product.summary("site=vitals-dashboard");
    if (views > before) {
      assert.ok(cells.some((/** @type {any} */ cell) => cell.route === "/route" && cell.metric === "FCP"));
      break;
    }
  }
  await context.close();
});
