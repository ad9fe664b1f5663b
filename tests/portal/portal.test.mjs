// The sample portal behind the Worker, used by visitors, members and an editor in Chromium: measured,
// judged, cached, purged, and informed about its health.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { DEVICES, launch, summaryOf } from "../browser/chromium.mjs";
import { ROOT } from "../run.mjs";
import { EDITOR, HOST, MEMBER, signSession, startPortal } from "./portal.mjs";
import { startPostgres } from "./postgres.mjs";

const SITE = `http://${HOST}`;
const PICTURES = join(ROOT, "tests/output/portal");
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

describe("the portal behind the Worker", { timeout: 240_000 }, () => {
  /** @type {Awaited<ReturnType<typeof startPortal>>} */
  let site;
  /** @type {import("playwright-core").Browser} */
  let browser;
  /** The page of the editor, who changes plants. @type {import("playwright-core").Page} */
  let editor;

  before(async () => {
    mkdirSync(PICTURES, { recursive: true });
    site = await startPortal();
    browser = await launch("desktop", [`--host-resolver-rules=MAP ${HOST}:80 ${new URL(site.edge).host}`]);
    editor = await newPage();
    await signIn(editor, EDITOR, "/admin");
  });
  after(async () => {
    await browser?.close();
    await site?.close();
  });

  /** Opens a page in a browser context of its own. @param {import("playwright-core").BrowserContextOptions} [how] */
  async function newPage(how = DEVICES.desktop) {
    const page = await (await browser.newContext(how)).newPage();
    page.setDefaultTimeout(20_000);
    return page;
  }

  /** @param {import("playwright-core").Page} page @param {{ email: string, password: string }} who @param {string} next */
  async function signIn(page, { email, password }, next) {
    await page.goto(`${SITE}/sign-in?next=${encodeURIComponent(next)}`);
    await page.getByLabel("E-mail").fill(email);
    await page.getByLabel("Password").fill(password);
    await Promise.all([page.waitForURL((url) => url.pathname !== "/sign-in"), page.getByRole("button", { name: "Come in" }).click()]);
  }

  /** Opens a page and returns its cache status. @param {import("playwright-core").Page} page @param {string} path */
  async function openPage(page, path) {
    const answer = await page.goto(SITE + path);
    const headers = (await answer?.allHeaders()) ?? {};
    return { status: answer?.status(), headers, cacheStatus: /edge;desc=([a-z]+)/.exec(headers["server-timing"] ?? "")?.[1] };
  }

  /** Opens a page until it is a hit; a response is stored only after it is sent. @param {import("playwright-core").Page} page @param {string} path */
  async function waitForHit(page, path) {
    const deadline = Date.now() + 10_000;
    while (Date.now() < deadline) if ((await openPage(page, path)).cacheStatus === "hit") return;
    assert.fail(`${path} is never a hit`);
  }

  test("visits are counted by the router's templates and carry the cache status", async () => {
    const page = await newPage();
    await waitForHit(page, "/product/aloe");
    const before = (await site.summary("&bots=include")).views;
    await page.close();
    await summaryOf(site.edge, before, "portal");

    const visitor = await newPage();
    await visitor.goto(`${SITE}/product/aloe`, { waitUntil: "networkidle" });
    // Next.js's router must get its prefetches as requested, otherwise it repeats them forever.
    const prefetches = await visitor.evaluate(() => performance.getEntriesByType("resource").filter(({ name }) => name.includes("_rsc=")).length);
    assert.ok(prefetches > 0 && prefetches <= 8, `${prefetches} requests of the router`);
    await visitor.getByRole("link", { name: "Plants" }).click();
    await visitor.getByRole("heading", { name: "Plants", exact: true }).waitFor();
    await visitor.getByRole("link", { name: "Sword fern" }).click();
    await visitor.getByRole("heading", { name: "Sword fern" }).waitFor();
    // Navigations of the router count, too.
    const { views } = await site.summary("&navigations=all");
    await visitor.goto("about:blank");
    const summary = await summaryOf(site.edge, views + 1, "portal&navigations=all");
    const routes = new Set(summary.cells.map((/** @type {any} */ { route }) => route));
    for (const route of ["/product/:id", "/products"]) assert.ok(routes.has(route), `${route} is not in ${[...routes]}`);
    const hits = await site.summary("&cache=hit&route=/product/:id");
    assert.ok(hits.views >= 1, "a visit to a cached page counts as a hit");
    await visitor.context().close();
  });

  test("the picture of a product is its LCP element, and nothing shifts", async () => {
    for (const [device, how] of Object.entries(DEVICES)) {
      const page = await newPage(how);
      await page.goto(`${SITE}/product/monstera`, { waitUntil: "networkidle" });
      const { largest, shifted } = await page.evaluate(
        () =>
          new Promise((resolve) => {
            let shifted = 0;
            new PerformanceObserver((list) => list.getEntries().forEach((/** @type {any} */ entry) => (shifted += entry.value))).observe({ type: "layout-shift", buffered: true });
            new PerformanceObserver((list) => {
              const last = /** @type {any} */ (list.getEntries().at(-1));
              resolve({ largest: last.element?.getAttribute("alt"), shifted });
            }).observe({ type: "largest-contentful-paint", buffered: true });
          }),
      );
      assert.deepEqual([largest, shifted], ["Swiss cheese plant in a pot", 0], device);
      await page.screenshot({ path: join(PICTURES, `product-${device}.png`) });
      await page.context().close();
    }
  });

  test("after a write the next visitor gets the new page: a hit before, a miss after", async () => {
    const visitor = await newPage();
    for (const path of ["/product/rubber", "/products", "/api/products/rubber"]) await waitForHit(visitor, path);
    const asked = site.proxy.countRequests("/product/rubber");
    await openPage(visitor, "/product/rubber");
    assert.equal(site.proxy.countRequests("/product/rubber"), asked, "a hit makes no request to the origin");

    await editor.goto(`${SITE}/admin/product/rubber`);
    await editor.getByLabel("Price in euros").fill("31.50");
    await editor.getByRole("button", { name: "Change it" }).click();
    await editor.getByText("Changed; visitors see it now.").waitFor();

    for (const path of ["/product/rubber", "/products", "/api/products/rubber"]) {
      const { cacheStatus } = await openPage(visitor, path);
      assert.equal(cacheStatus, "miss", path);
      assert.match(await visitor.content(), /€31\.50|"price":3150/, path);
    }
    assert.equal(site.proxy.countRequests("/product/rubber"), asked + 1);
    // Pictures and scripts are not purged.
    const [script] = await visitor.goto(`${SITE}/product/rubber`).then(() => visitor.locator("script[src^='/_next/static']").evaluateAll((all) => all.map((each) => each.getAttribute("src") ?? "")));
    assert.equal((await openPage(visitor, script)).cacheStatus, "hit");
    await visitor.context().close();
  });

  test("a write by the API purges as well, and requires an editor", async () => {
    const visitor = await newPage();
    await waitForHit(visitor, "/api/products/snake");
    const patch = (/** @type {import("playwright-core").Page} */ page, /** @type {unknown} */ change, path = "/api/products/snake") =>
      page.evaluate(([path, body]) => fetch(path, { method: "PATCH", body }).then(async (answer) => [answer.status, await answer.json()]), [path, JSON.stringify(change)]);
    assert.deepEqual(await patch(visitor, { price: 1 }), [401, { error: "sign in first" }]);
    const member = await newPage();
    await signIn(member, MEMBER, "/members");
    assert.equal((await patch(member, { price: 1 }))[0], 403);
    for (const invalid of [{ price: 1.5 }, { price: -1 }, { name: "" }, { colour: "green" }, [], "text", null]) {
      assert.equal((await patch(editor, invalid))[0], 422, JSON.stringify(invalid));
    }
    assert.equal((await patch(editor, { price: 1 }, "/api/products/weed"))[0], 404);
    assert.equal((await openPage(visitor, "/api/products/snake")).cacheStatus, "hit", "a rejected write purges nothing");
    const [status, body] = await patch(editor, { price: 1750 });
    assert.deepEqual([status, body.price, body.isPurged], [200, 1750, true]);
    const answer = await openPage(visitor, "/api/products/snake");
    assert.deepEqual([answer.cacheStatus, JSON.parse((await visitor.textContent("body")) ?? "").price], ["miss", 1750]);

    // The same cookie, sent by a page of another origin.
    const cookie = (await editor.context().cookies()).map(({ name, value }) => `${name}=${value}`).join("; ");
    for (const origin of [undefined, "http://evil.localhost", "null"]) {
      const forged = await fetch(`${site.origin}/api/products/snake`, { method: "PATCH", body: '{"price":1}', headers: { cookie, "x-forwarded-host": HOST, ...(origin && { origin }) } });
      assert.equal(forged.status, 403, origin);
    }
    for (const page of [visitor, member]) await page.context().close();
  });

  test("a page with many reviews and neighbours makes as many queries as one with few", async () => {
    const queries = async (/** @type {string} */ path) => [...((await fetch(site.origin + path)).headers.get("server-timing") ?? "").matchAll(/db;dur=[\d.]+;desc="(\w+)"/g)].map(([, name]) => name);
    const few = ["getProduct", "newestReviews", "listProducts", "getRatings", "getMembers", "getRatings"];
    assert.deepEqual((await queries("/product/fern")).sort(), [...few].sort());
    assert.deepEqual(await queries("/api/products"), ["listProducts", "getRatings"]);
    assert.deepEqual(await queries("/api/products?ids=fern,aloe,weed,fern"), ["getProduct", "getRatings"]);
    assert.deepEqual(await queries("/product/weed"), ["getProduct"]);
  });

  test("the portal's session is signed, valid for a week, hidden from scripts, and invalid if changed", async () => {
    const page = await newPage();
    await page.goto(`${SITE}/sign-in`);
    await page.getByLabel("E-mail").fill(MEMBER.email);
    await page.getByLabel("Password").fill("not the password");
    await page.getByRole("button", { name: "Come in" }).click();
    await page.getByRole("alert").filter({ hasText: "There is no member with this address and this password." }).waitFor();
    assert.deepEqual(await page.context().cookies(), []);

    // Redirects lead only to the portal itself.
    for (const next of ["//evil.localhost/", "/\\evil.localhost", "http://evil.localhost/", "javascript:alert(1)", ""]) {
      await signIn(page, MEMBER, next);
      assert.equal(page.url(), `${SITE}/members`, next);
    }
    const [cookie] = await page.context().cookies();
    const { name, httpOnly, secure, sameSite, path, expires } = cookie;
    assert.deepEqual({ name, httpOnly, secure, sameSite, path }, { name: "__Host-session", httpOnly: true, secure: true, sameSite: "Lax", path: "/" });
    assert.ok(Math.abs(expires - Date.now() / 1000 - 7 * 86_400) < 120);

    const statusWith = async (/** @type {string} */ value) => (await fetch(`${site.origin}/members`, { headers: { cookie: `__Host-session=${value}` }, redirect: "manual" })).status;
    const id = cookie.value.split(".")[0];
    const hour = Date.now() + 3_600_000;
    assert.equal(await statusWith(cookie.value), 200);
    assert.equal(await statusWith(signSession(id, hour)), 200);
    const [, until, signature] = cookie.value.split(".");
    for (const invalid of [signSession(id, Date.now() - 1), signSession("nobody", hour), `${id}.${Number(until) + 1}.${signature}`, cookie.value.slice(0, -1), `${cookie.value}A`, "", "a.b.c"]) {
      assert.equal(await statusWith(invalid), 307, invalid);
    }
    await page.getByRole("button", { name: "Leave" }).click();
    await page.waitForURL(`${SITE}/`);
    assert.deepEqual(await page.context().cookies(), []);
    await page.context().close();
  });

  test("a member's shelf and reviews are visible at once, and no personal page is cached", async () => {
    const [member, visitor] = [await newPage(), await newPage()];
    await waitForHit(visitor, "/product/spider");
    await member.goto(`${SITE}/product/spider`);
    await member.getByRole("button", { name: "Put it on my shelf" }).click();
    await member.getByLabel("E-mail").waitFor();
    await signIn(member, MEMBER, "/product/spider");
    await member.getByRole("button", { name: "Put it on my shelf" }).click();
    await member.getByRole("heading", { name: "A member’s shelf" }).waitFor();
    await member.getByRole("link", { name: "Spider plant" }).waitFor();
    await member.screenshot({ path: join(PICTURES, "shelf.png") });
    for (let times = 0; times < 2; times += 1) assert.equal((await openPage(member, "/members")).cacheStatus, "bypass");

    await member.goto(`${SITE}/product/spider`);
    await member.getByText("Say something yourself").click();
    await member.getByLabel("Words").fill("Its children live with <b>all</b> my friends.");
    await member.getByRole("button", { name: "Say it" }).click();
    await member.getByText("Its children live with <b>all</b> my friends.").waitFor();
    assert.equal((await openPage(visitor, "/product/spider")).cacheStatus, "miss");
    await visitor.getByText("Its children live with <b>all</b> my friends.").waitFor();
    assert.ok(!(await visitor.content()).includes("A member’s shelf"));

    await member.goto(`${SITE}/members`);
    await member.getByRole("button", { name: "Take Spider plant off the shelf" }).click();
    await member.getByText("Nothing is on it yet.").waitFor();
    await openPage(member, "/admin");
    assert.equal(new URL(member.url()).pathname, "/members", "a member is no editor");
    for (const page of [member, visitor]) await page.context().close();
  });

  test("pushed documents are verified, stored once, and shown", async () => {
    const golden = JSON.parse(readFileSync(join(ROOT, "crates/report/tests/golden/window.json"), "utf8"));
    const document = { ...golden, site: "portal" };
    const answers = async (/** @type {Response} */ answer) => [answer.status, await answer.json()];
    assert.deepEqual(await answers(await site.push(document)), [200, { stored: true }]);
    assert.deepEqual(await answers(await site.push(document)), [200, { stored: false }]);
    assert.deepEqual(await answers(await site.push(document, { path: "/api/health" })), [200, { stored: false }]);
    for (const [why, other] of Object.entries({ "another body": { body: '{"v":1}' }, "a wrong secret": { secret: "another secret of at least 32 bytes" }, "an old one": { at: Date.now() - 301_000 } })) {
      assert.equal((await site.push({ ...document, revision: 1 }, other)).status, 401, why);
    }
    assert.equal((await fetch(`${site.origin}/api/health/advanced`, { method: "POST", body: "{}" })).status, 400);

    await editor.goto(`${SITE}/admin?span=hour`);
    await editor.getByText("523 views, 812 requests, 1 errors").waitFor();
    const row = editor.getByRole("row", { name: "/product/:id" });
    assert.match((await row.textContent()) ?? "", /phoneLCP100.*4,075 ms.*≤ 2,500 ms.*violated/);
    await editor.getByText("LCP of / on phones: undecided →").waitFor();
    await editor.screenshot({ path: join(PICTURES, "health.png"), fullPage: true });
  });

  test("one variable makes the same portal use PostgreSQL", async () => {
    const server = await startPostgres();
    const other = await site.startSecond({ DATABASE_URL: server.url });
    try {
      assert.match(await (await fetch(`${other.origin}/product/fern`)).text(), /Sword fern[^]*What members say[^]*Member \d/);
      const { cells } = JSON.parse(readFileSync(join(ROOT, "crates/report/tests/golden/window.json"), "utf8"));
      const document = { v: 1, site: "portal", span: "minute", start: 1_800_000_000_000, end: 1_800_000_060_000, revision: 0, views: 3, visits: 3, cells, scores: [], transitions: [] };
      for (const stored of [true, false]) assert.deepEqual(await (await site.push(document, { to: other.origin })).json(), { stored });
      const { checks, counts } = await (await fetch(`${other.origin}/api/health/advanced`)).json();
      assert.deepEqual([checks["database:responseTime"][0].componentId, counts.windows], ["postgres", 1]);
      await server.close();
      const answer = await fetch(`${other.origin}/api/health`);
      assert.deepEqual([answer.status, (await answer.json()).status], [503, "fail"], "an unreachable database is reported without waiting for it");
    } finally {
      await other.close();
      await server.close();
    }
  });

  test("the portal reports its own health", async () => {
    const simple = await fetch(`${site.origin}/api/health`);
    const { status, checks } = await simple.json();
    assert.deepEqual([simple.status, simple.headers.get("content-type"), simple.headers.get("cache-control"), status], [200, "application/health+json", "no-store", "pass"]);
    assert.equal(checks["database:responseTime"][0].status, "pass");
    await site.push({ v: 1, site: "portal", span: "hour", start: Date.now() - 7_200_000, end: Date.now(), revision: 0, views: 1, visits: 1, cells: [], scores: [], transitions: [] });
    const advanced = await (await fetch(`${site.origin}/api/health/advanced`)).json();
    assert.deepEqual([advanced.releaseId, advanced.checks["database:responseTime"][0].componentId, advanced.counts.products], ["r1", "sqlite", 6]);
    assert.ok(Math.abs(advanced.windowReceivedAt - Date.now()) < 60_000);
    // The edge serves its own health under these paths and does not forward pushes.
    assert.equal((await fetch(`${site.edge}/api/health`)).headers.get("server-timing")?.includes("db;") ?? false, false);
  });

  test("each page is accessible: axe finds no violation", async () => {
    const pages = /** @type {[import("playwright-core").Page, string, string][]} */ ([
      [await newPage(), "/", "home"],
      [await newPage({ ...DEVICES.phone, colorScheme: "dark" }), "/products", "products"],
      [await newPage({ ...DEVICES.desktop, colorScheme: "dark" }), "/product/fern", "product-dark"],
      [await newPage(), "/sign-in", "sign-in"],
      [editor, "/admin?span=hour", "admin"],
      [editor, "/admin/product/fern", "change"],
    ]);
    for (const [page, path, name] of pages) {
      await page.goto(SITE + path, { waitUntil: "networkidle" });
      await page.screenshot({ path: join(PICTURES, `${name}.png`) });
      await page.evaluate(AXE);
      const { violations } = await page.evaluate(() => /** @type {any} */ (globalThis).axe.run());
      assert.deepEqual(violations.map((/** @type {any} */ { id, nodes }) => `${path} ${id}: ${nodes[0].html}`), []);
    }
  });
});
