// Each view under the conditions that it will meet: before its numbers are there, without an answer, without
// a network, with numbers that are old, and by the keyboard alone.
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

/** Each view, and something that is there with its numbers alone. */
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
  test(`the view ${name} says what is so while it loads, when it is refused, offline, unanswered and old`, async () => {
    const { page, context, complaints } = await visitor();
    await page.clock.install();
    // Before the first answer: places, and no number that is not known.
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
    assert.match(String(await page.locator("h1").first().textContent()), /Reading|What visitors feel/);
    release();
    await page.locator(sign).first().waitFor();
    await settled(page);
    await page.unroute("**/api/**");
    const again = () => page.getByRole("button", { name: "Read again" }).click();

    // Offline: what was read stays, is said to be old, and is read again as soon as there is a network.
    await context.setOffline(true);
    await again();
    await noticed(page, "This device is offline. The numbers are as they were");
    assert.ok((await page.locator(sign).count()) > 0, "the numbers stay");
    await context.setOffline(false);
    await unnoticed(page);

    // A Worker that answers with an error, or not at all, takes no numbers away, either.
    await page.route("**/api/**", (route) => route.fulfill(problem(503)));
    await again();
    await noticed(page, "The Worker cannot answer now. The numbers are as they were");
    await page.unroute("**/api/**");
    await page.route("**/api/**", (route) => route.abort());
    // Nobody touches it: it asks again by itself, and says how old its numbers have become.
    await page.locator("body").click({ position: { x: 2, y: 2 } });
    await page.clock.fastForward("06:00");
    await noticed(page, "The Worker does not answer. The numbers are as they were 6 minutes ago");
    assert.ok((await page.locator(sign).count()) > 0);
    await page.unroute("**/api/**");
    await page.clock.fastForward("01:01");
    await unnoticed(page);
    // A page that is left alone asks for nothing any more, and says so.
    await page.clock.fastForward("20:00");
    await noticed(page, "These numbers were read 20 minutes ago.");

    // Without anything to keep, the error stands alone with a way on.
    await page.route("**/api/**", (route) => route.fulfill(problem(500)));
    await page.goto(www.product.origin + path);
    await page.getByRole("heading", { name: "The Worker cannot answer now." }).waitFor();
    assert.match(String(await text(page, "main")), /the storage does not answer/);
    assert.equal(await page.locator(sign).count(), 0);
    await page.unroute("**/api/**");
    await page.getByRole("button", { name: "Try again" }).click();
    await page.locator(sign).first().waitFor();
    assert.deepEqual(complaints.filter((each) => !/Failed to load resource|WebSocket/.test(each)), []);
    await context.close();
  });
}

test("each view that is shut asks for its token, and opens with it", async () => {
  for (const [name, [path]] of Object.entries(VIEWS)) {
    const { page, context, go } = await visitor({});
    await go(path.replace("demo", "shut"));
    if (name === "health") {
      // The outline is everybody's; the rest is for who holds the token.
      await page.getByRole("button", { name: "Give the token …" }).click();
      await page.getByLabel("The secret READ_TOKEN").fill("read sesame");
      await page.getByRole("button", { name: "Go on" }).click();
      await page.locator("#machinery").waitFor();
    } else {
      const [label, button, secret] = name === "cache" ? ["Cache token", "Open", TOKEN] : ["Read token", "Sign in", "read sesame"];
      await page.getByLabel(label).fill(secret);
      await page.getByRole("button", { name: button }).click();
      await page.locator(name === "cache" ? "#record" : "[data-snippet]").waitFor();
    }
    await context.close();
  }
});

test("a part of the health that fails takes no other along", async () => {
  const { page, go, context } = await visitor();
  await page.route("**/api/performance/recommendations?*", (route) => route.fulfill(problem(503)));
  await go(VIEWS.health[0]);
  await page.getByText("It cannot be shown:").waitFor();
  assert.match(String(await text(page, "main")), /It cannot be shown: the storage does not answer/);
  for (const part of ["tr[data-part]", "#history", "#queries", "#machinery"]) assert.ok((await page.locator(part).count()) > 0, part);
  await context.close();
});

test("nothing is known of a site that nobody visited, and each view says so", async () => {
  const { page, go, context } = await visitor();
  await go("/?site=shut&view=health");
  assert.equal(await page.locator("[data-health]").getAttribute("data-health"), "unknown");
  const main = String(await text(page, "main"));
  for (const words of ["No alert is raised.", "There was none in this time.", "Nothing follows from these visits", "The edge answered nothing."]) assert.ok(main.includes(words), words);
  for (const view of ["overview", "routes", "budgets", "compare"]) {
    await go(`/?site=shut&view=${view}`);
    await page.locator("[data-snippet]").waitFor();
  }
  await go("/?site=shut&view=cache");
  assert.match(String(await text(page, "main")), /Nothing was asked of the cache/);
  await context.close();
});

/**
 * Goes on by Tab to a control of that name, as its reader hears it.
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
 * A dialog takes the focus, keeps it, gives it back by Escape to what opened it; and is opened again.
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

test("the keyboard alone filters, chooses a time, exports, and comes back", async () => {
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
  await page.getByLabel("Time", { exact: true }).selectOption("own");
  await page.getByRole("dialog", { name: "From … to …" }).waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await settled(page);
  assert.equal(await page.evaluate(() => document.activeElement?.id), "window", "the focus is where the dialog was asked for");
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

test("the keyboard alone acknowledges, silences, and takes it back", async () => {
  const { page, go, context } = await visitor({ token: "read sesame" });
  await go(VIEWS.health[0]);
  await tabTo(page, "button", "Acknowledge");
  await dialog(page, "Look after this alert");
  await page.keyboard.type("Kim");
  await page.keyboard.press("Enter");
  // Whoever only reads is asked for the other secret, and what was asked goes on with it.
  await page.getByRole("dialog", { name: "This needs a token" }).waitFor();
  await page.keyboard.type("manage sesame");
  await page.keyboard.press("Enter");
  await page.getByText("Kim looks after it").first().waitFor();
  await settled(page);
  await page.evaluate(() => document.querySelector("a")?.focus());
  await tabTo(page, "button", "Silence all …");
  await dialog(page, "Silence");
  await page.getByLabel("What for").focus();
  await page.keyboard.type("a drill");
  await page.keyboard.press("Enter");
  await page.locator("[data-mute]").filter({ hasText: "a drill (Kim)" }).waitFor();
  await settled(page);
  assert.equal(await page.evaluate(() => document.activeElement?.id), "silence-all", "what was made anew has the focus again");
  await tabTo(page, "button", "Take back");
  await page.keyboard.press("Enter");
  await page.locator("[data-mute]").waitFor({ state: "detached" });
  await context.close();
});

test("the keyboard alone explains, purges and warms", async () => {
  const { page, go, context } = await visitor();
  await go(VIEWS.cache[0]);
  await tabTo(page, "textbox", "Address");
  await page.keyboard.type(`http://${HOST}/page`);
  await page.keyboard.press("Enter");
  await page.locator("[data-explained] li").first().waitFor();
  await tabTo(page, "textbox", "Which");
  await page.keyboard.type("nothing");
  await tabTo(page, "button", "Purge …");
  await dialog(page, "Purge tag nothing?");
  await tabTo(page, "button", "Purge");
  await page.keyboard.press("Enter");
  await page.getByText("Purged: tag nothing.").waitFor();
  await tabTo(page, "textbox", "Addresses, or a sitemap");
  await page.keyboard.type(`http://${HOST}/page`);
  await tabTo(page, "button", "Warm …");
  await dialog(page, "Warm the cache?");
  await tabTo(page, "button", "Warm");
  await page.keyboard.press("Enter");
  await page.getByText(/^Warmed \d/).waitFor();
  await tabTo(page, "button", "Show the record");
  await page.keyboard.press("Enter");
  await page.locator("tr[data-call=warm]").waitFor();
  await context.close();
});

test("every control and region of every view has a name, and what is shown stands under one heading", async () => {
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
    // Levels follow each other, so that a reader by headings misses none.
    const levels = await page.getByRole("heading").evaluateAll((all) => all.map((node) => Number(node.tagName.slice(1))));
    levels.forEach((level, index) => assert.ok(index === 0 || level <= levels[index - 1] + 1, `${name}: ${levels.join()}`));
    for (const landmark of ["banner", "main"]) assert.equal(await page.getByRole(/** @type {any} */ (landmark)).count(), 1, `${landmark} of ${name}`);
  }
  await context.close();
});
