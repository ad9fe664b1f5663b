// Each view while loading, on errors, offline, with old data, and by keyboard alone.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { launch } from "../browser/chromium.mjs";
import { HOST, TOKEN, respond, site } from "../cache/site.mjs";
import { DESKTOP, beacon } from "../product.mjs";
import { settled, text, visits } from "./visitor.mjs";

/** @typedef {import("playwright-core").Page} Page */
/** @type {Awaited<ReturnType<typeof site>>} */
let www;
/** @type {import("playwright-core").Browser} */
let browser;

/** Each view, with a selector that only matches once its data is shown. */
const VIEWS = /** @type {Record<string, [string, string]>} */ ({
  overview: ["/?site=demo", "[data-metric=LCP] [data-p75]"],
  routes: ["/?site=demo&view=routes", "tr[data-group='/slow']"],
  route: ["/?site=demo&view=route&route=%2Fslow", "[data-fact=p75]"],
  budgets: ["/?site=demo&view=budgets", "tr[data-cell]"],
  compare: ["/?site=demo&view=compare", "tr[data-metric=LCP]"],
  cache: ["/?site=demo&view=cache", "tr[data-route='/page']"],
  health: ["/?site=demo&view=health", "tr[data-part]"],
});
const TOKENS = { token: "read sesame", "token-cache": TOKEN };

before(async () => {
  www = await site((url) => ({ routes: [{ host: HOST, path: "/**", origin: url, site: "demo" }] }), {
    vars: { SITES: { demo: { public: true }, shut: {}, "vitals-dashboard": { public: true } }, READ_TOKEN: "read sesame", MANAGE_TOKEN: "manage sesame" },
  });
  browser = await launch("desktop");
  www.own.on("/page", respond({ "cache-control": "max-age=600" }));
  for (let time = 0; time < 3; time += 1) await www.ask("/page");
  const told = (/** @type {any} */ view) => fetch(`${www.product.origin}/v1/vitals`, { method: "POST", body: JSON.stringify(view), headers: { "user-agent": DESKTOP } });
  const answers = await Promise.all(Array.from({ length: 120 }, (_, view) => told(beacon({ path: "/slow", m: { LCP: 3000 + view } }))));
  assert.ok(answers.every(({ ok }) => ok));
  for (let looks = 0; looks < 2; looks += 1) await /** @type {any} */ (www.product).worker.scheduled({ cron: "*/15 * * * *" });
});
after(async () => {
  await browser?.close();
  await www?.close();
});

/** @param {Record<string, string>} [tokens] */
async function visitor(tokens = TOKENS) {
  const visit = await visits(browser, www.product.origin);
  await visit.context.addInitScript((tokens) => Object.entries(tokens).forEach(([name, token]) => sessionStorage.getItem(name) ?? sessionStorage.setItem(name, token)), tokens);
  return visit;
}
/** @param {Page} page @param {string} words */
const noticed = (page, words) => page.locator("#notice.stale").filter({ hasText: words }).waitFor();
/** @param {Page} page */
const unnoticed = (page) => page.locator("#notice").waitFor({ state: "hidden" });
const problem = (/** @type {number} */ status) => ({ status, contentType: "application/problem+json", body: JSON.stringify({ title: "unavailable", status, detail: "the storage does not answer" }) });

for (const [name, [path, sign]] of Object.entries(VIEWS)) {
  test(`the view ${name} shows its state while loading, on errors, offline, unreachable and outdated`, async () => {
    const { page, context, complaints } = await visitor();
    await page.clock.install();
    // Before the first response: a skeleton, and no values.
    /** @type {() => void} */
    let release = () => {};
    const held = new Promise((resolve) => (release = () => resolve(undefined)));
    await page.route("**/api/**", async (route) => {
      await held;
      await route.continue().catch(() => {});
    });
    await page.goto(www.product.origin + path, { waitUntil: "commit" });
    await page.locator("#content[aria-busy] .waiting").first().waitFor();
    assert.equal(await page.locator(sign).count(), 0);
    assert.match(String(await page.locator("h1").first().textContent()), /Loading|Core Web Vitals/);
    release();
    await page.locator(sign).first().waitFor();
    await settled(page);
    await page.unroute("**/api/**");
    const again = () => page.getByRole("button", { name: "Refresh" }).click();

    // Offline: the data stays, is marked as old, and is refreshed once the network returns.
    await context.setOffline(true);
    await again();
    await noticed(page, "This device is offline. Showing data from");
    assert.ok((await page.locator(sign).count()) > 0, "the data stays");
    await context.setOffline(false);
    await unnoticed(page);

    // An error or a missing response does not remove the data either.
    await page.route("**/api/**", (route) => route.fulfill(problem(503)));
    await again();
    await noticed(page, "The Worker returned an error. Showing data from");
    await page.unroute("**/api/**");
    await page.route("**/api/**", (route) => route.abort());
    // The page refreshes by itself, and shows the age of its data.
    await page.locator("body").click({ position: { x: 2, y: 2 } });
    await page.clock.fastForward("06:00");
    await noticed(page, "The Worker is unreachable. Showing data from 6 minutes ago");
    assert.ok((await page.locator(sign).count()) > 0);
    await page.unroute("**/api/**");
    await page.clock.fastForward("01:01");
    await unnoticed(page);
    // An idle page stops refreshing, and says so.
    await page.clock.fastForward("20:00");
    await noticed(page, "Last updated 20 minutes ago.");

    // Without earlier data, the error is shown alone, with a remedy.
    await page.route("**/api/**", (route) => route.fulfill(problem(500)));
    await page.goto(www.product.origin + path);
    await page.getByRole("heading", { name: "The Worker returned an error." }).waitFor();
    assert.match(String(await text(page, "main")), /the storage does not answer/);
    assert.equal(await page.locator(sign).count(), 0);
    await page.unroute("**/api/**");
    await page.getByRole("button", { name: "Try again" }).click();
    await page.locator(sign).first().waitFor();
    assert.deepEqual(complaints.filter((each) => !/Failed to load resource|WebSocket/.test(each)), []);
    await context.close();
  });
}

test("numbers of a part of the shards are marked", async () => {
  const { page, context } = await visitor();
  let isWhole = false;
  await page.route("**/api/budgets?**", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, json: { ...(await response.json()), ...(isWhole ? {} : { shards: { answered: 63, of: 64, unanswered: [17] } }) } });
  });
  await page.goto(www.product.origin + VIEWS.budgets[0]);
  await page.locator("#notice.partial").filter({ hasText: "63 of 64 shards answered; the views of the others are missing." }).waitFor();
  isWhole = true;
  await page.getByRole("button", { name: "Refresh" }).click();
  await unnoticed(page);
  await context.close();
});

test("each view that is not public asks for its token", async () => {
  for (const [name, [path]] of Object.entries(VIEWS)) {
    const { page, context, go } = await visitor({});
    await go(path.replace("demo", "shut"));
    const [label, secret] = name === "cache" ? ["Cache token", TOKEN] : ["Read token", "read sesame"];
    await page.getByLabel(label).fill(secret);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.locator({ cache: "#record", health: "#operations" }[name] ?? "[data-snippet]").waitFor();
    await context.close();
  }
});

test("a failing part of the health view does not affect the others", async () => {
  const { page, go, context } = await visitor();
  await page.route("**/api/performance/recommendations?*", (route) => route.fulfill(problem(503)));
  await go(VIEWS.health[0]);
  await page.getByText("Loading failed:").waitFor();
  assert.match(String(await text(page, "main")), /Loading failed: the storage does not answer/);
  for (const part of ["tr[data-part]", "#history", "#queries", "#operations"]) assert.ok((await page.locator(part).count()) > 0, part);
  await context.close();
});

test("each view of a site without visits says so", async () => {
  const { page, go, context } = await visitor();
  await go("/?site=shut&view=health");
  assert.equal(await page.locator("[data-health]").getAttribute("data-health"), "unknown");
  const main = String(await text(page, "main"));
  for (const words of ["No open alerts.", "No incidents in this period.", "No recommendations.", "The edge served no requests."]) assert.ok(main.includes(words), words);
  for (const view of ["overview", "routes", "budgets", "compare"]) {
    await go(`/?site=shut&view=${view}`);
    await page.locator("[data-snippet]").waitFor();
  }
  await go("/?site=shut&view=cache");
  assert.match(String(await text(page, "main")), /No requests in the last day/);
  await context.close();
});

/**
 * Tabs to a control by its accessible name.
 * @param {Page} page @param {string} role @param {string | RegExp} name
 */
async function tabTo(page, role, name) {
  const wanted = page.getByRole(/** @type {any} */ (role), { name, exact: typeof name === "string" }).first();
  await wanted.waitFor();
  for (let steps = 0; steps < 150; steps += 1) {
    await page.keyboard.press("Tab");
    if (await wanted.evaluate((node) => node === document.activeElement)) return;
  }
  assert.fail(`Tab does not reach the ${role} ${name}`);
}

/** @param {Page} page */
const focused = (page) => page.evaluate(() => document.activeElement?.id || document.activeElement?.textContent || document.activeElement?.tagName);

/**
 * A dialog takes the focus, traps it, and returns it to its opener on Escape; then it is opened again.
 * @param {Page} page @param {string} title
 */
async function dialog(page, title) {
  const opener = await focused(page);
  await page.keyboard.press("Enter");
  const open = page.getByRole("dialog", { name: title });
  await open.waitFor();
  const inside = () => page.evaluate(() => document.activeElement === document.body || document.querySelector("dialog[open]")?.contains(document.activeElement));
  assert.ok(await page.evaluate(() => document.querySelector("dialog[open]")?.contains(document.activeElement)), `${title} has the focus`);
  for (let steps = 0; steps < 12; steps += 1) {
    await page.keyboard.press("Tab");
    assert.ok(await inside(), `${title} keeps the focus`);
  }
  await page.keyboard.press("Escape");
  await open.waitFor({ state: "detached" });
  assert.equal(await focused(page), opener, `${title} gives the focus back`);
  await page.keyboard.press("Enter");
  await open.waitFor();
}

test("filter, time range and export work by keyboard, and focus returns", async () => {
  const { page, go, complaints, context } = await visitor();
  await go(VIEWS.overview[0]);
  await tabTo(page, "button", "+ Filter");
  await dialog(page, "Add a filter");
  await tabTo(page, "button", /^desktop/);
  await page.keyboard.press("Enter");
  await page.locator(".chip").waitFor();
  await settled(page);
  assert.match(page.url(), /device=desktop/);
  await page.evaluate(() => document.getElementById("window")?.focus());
  await page.getByLabel("Time range", { exact: true }).selectOption("own");
  await page.getByRole("dialog", { name: "Custom range" }).waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await settled(page);
  assert.equal(await page.evaluate(() => document.activeElement?.id), "window", "the focus is back on the opener of the dialog");
  await page.evaluate(() => document.querySelector("a")?.focus());
  await page.locator("summary").waitFor();
  for (let steps = 0; steps < 30 && (await focused(page)) !== "Export"; steps += 1) await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  assert.equal(await focused(page), "Table (CSV)");
  await page.keyboard.press("Escape");
  assert.equal(await focused(page), "Export");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  const [download] = await Promise.all([page.waitForEvent("download"), page.keyboard.press("Enter")]);
  assert.match(download.suggestedFilename(), /overview\.csv$/);
  assert.deepEqual(complaints, []);
  await context.close();
});

test("acknowledging, silencing and removing a silence work by keyboard", async () => {
  const { page, go, context } = await visitor({ token: "read sesame" });
  await go(VIEWS.health[0]);
  await tabTo(page, "button", "Acknowledge");
  await dialog(page, "Acknowledge this alert");
  await page.keyboard.type("Kim");
  await page.keyboard.press("Enter");
  // With a read token only, the management token is requested, and the action continues.
  await page.getByRole("dialog", { name: "Token required" }).waitFor();
  await page.keyboard.type("manage sesame");
  await page.keyboard.press("Enter");
  await page.getByText("acknowledged by Kim").first().waitFor();
  await settled(page);
  await page.evaluate(() => document.querySelector("a")?.focus());
  await tabTo(page, "button", "Silence all …");
  await dialog(page, "Silence");
  await page.getByLabel("Reason").focus();
  await page.keyboard.type("a drill");
  await page.keyboard.press("Enter");
  await page.locator("[data-mute]").filter({ hasText: "a drill (Kim)" }).waitFor();
  await settled(page);
  assert.equal(await page.evaluate(() => document.activeElement?.id), "silence-all", "the rendered replacement has the focus");
  await tabTo(page, "button", "Remove silence");
  await page.keyboard.press("Enter");
  await page.locator("[data-mute]").waitFor({ state: "detached" });
  await context.close();
});

test("explaining, purging and warming work by keyboard", async () => {
  const { page, go, context } = await visitor();
  await go(VIEWS.cache[0]);
  await tabTo(page, "textbox", "URL");
  await page.keyboard.type(`http://${HOST}/page`);
  await page.keyboard.press("Enter");
  await page.locator("[data-explained] li").first().waitFor();
  await tabTo(page, "textbox", "Value");
  await page.keyboard.type("nothing");
  await tabTo(page, "button", "Purge …");
  await dialog(page, "Purge tag nothing?");
  await tabTo(page, "button", "Purge");
  await page.keyboard.press("Enter");
  await page.getByText("Purged: tag nothing.").waitFor();
  await tabTo(page, "textbox", "URLs, or a sitemap");
  await page.keyboard.type(`http://${HOST}/page`);
  await tabTo(page, "button", "Warm …");
  await dialog(page, "Warm the cache?");
  await tabTo(page, "button", "Warm");
  await page.keyboard.press("Enter");
  await page.getByText(/^Warmed \d/).waitFor();
  await tabTo(page, "button", "Show the call log");
  await page.keyboard.press("Enter");
  await page.locator("tr[data-call=warm]").waitFor();
  await context.close();
});

test("every control and region of every view has a name, and every view has one h1", async () => {
  const { page, go, context } = await visitor();
  for (const [name, [path, sign]] of Object.entries(VIEWS)) {
    await go(path);
    await page.locator(sign).first().waitFor();
    const nameless = await page.locator("button, a, input, select, textarea, summary, [role=img], [role=region], table").evaluateAll((all) =>
      all.flatMap((node) => {
        const labelled = /** @type {any} */ (node).labels?.length || node.getAttribute("aria-label") || node.getAttribute("aria-labelledby") || node.textContent?.trim() || node.querySelector("img[alt]");
        return labelled || !(/** @type {HTMLElement} */ (node).checkVisibility()) ? [] : [node.outerHTML.slice(0, 100)];
      }),
    );
    assert.deepEqual(nameless, [], name);
    assert.equal(await page.getByRole("heading", { level: 1 }).count(), 1, name);
    // Heading levels are not skipped.
    const levels = await page.getByRole("heading").evaluateAll((all) => all.map((node) => Number(node.tagName.slice(1))));
    levels.forEach((level, index) => assert.ok(index === 0 || level <= levels[index - 1] + 1, `${name}: ${levels.join()}`));
    for (const landmark of ["banner", "main"]) assert.equal(await page.getByRole(/** @type {any} */ (landmark)).count(), 1, `${landmark} of ${name}`);
  }
  await context.close();
});
