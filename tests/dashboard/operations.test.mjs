// The cache and health views, against a Worker in front of an origin. Expected values are computed from its
// responses.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { launch } from "../browser/chromium.mjs";
import { HOST, TOKEN, respond, site } from "../cache/site.mjs";
import { DESKTOP, beacon } from "../product.mjs";
import { number, photographed, settled, text, visits } from "./visitor.mjs";
import { exact } from "./visits.mjs";

/** @type {Awaited<ReturnType<typeof site>>} */
let www;
/** @type {import("playwright-core").Browser} */
let browser;
/** Query runs that the origin reported. @type {{ name: string, millis: number }[]} */
const ran = [];
const ORDERS = 9;
/** LCP of views that hit and miss the cache, and the number of each. */
const HIT = 900;
const MISS = 4000;
const EACH = 120;
/** `Cache-Status` of each response. @type {{ route: string, status: string }[]} */
const answers = [];

before(async () => {
  www = await site(
    (url) => ({
      routes: [
        { host: HOST, path: "/users/{id}", origin: url, ttl: "medium", tags: ["user:{id}"], site: "demo" },
        { host: HOST, path: "/**", origin: url, site: "demo" },
      ],
    }),
    { vars: { SITES: { demo: { public: true }, "vitals-dashboard": { public: true } }, READ_TOKEN: "read sesame", MANAGE_TOKEN: "manage sesame" } },
  );
  browser = await launch("desktop");
  for (const id of ["7", "8"]) www.own.on(`/users/${id}`, respond({ "content-type": "text/html" }, "<h1>A user</h1>"));
  // An origin that tells of its queries: of one in a loop, and never the same times.
  www.own.on("/orders/31", (_, response) => {
    const times = [...Array(6)].map((_, index) => ({ name: "line", millis: 4 + index + (ran.length % 5) }));
    const all = [{ name: "order", millis: 40 + ran.length * 3 }, ...times];
    ran.push(...all);
    const told = all.map(({ name, millis }) => `db;dur=${millis};desc="${name}"`).join(", ");
    respond({ "cache-control": "no-store", "server-timing": told })(_, response);
  });
  for (let time = 0; time < ORDERS; time += 1) await ask("/orders/31");
  www.own.on("/basket", respond({ "cache-control": "no-store" }));
  for (const [path, times] of /** @type {[string, number][]} */ ([["/users/7", 6], ["/users/8", 2], ["/basket", 3]])) {
    for (let time = 0; time < times; time += 1) await ask(path);
  }
  await Promise.all(Array.from({ length: 200 }, (_, view) => told(beacon({ path: "/checkout", m: { LCP: 3000 + view } }))));
  // An alert needs a second bad evaluation.
  for (let looks = 0; looks < 3; looks += 1) await /** @type {any} */ (www.product).worker.scheduled({ cron: "*/15 * * * *" });
  await Promise.all([...Array(2 * EACH).keys()].map((view) => told(beacon({ path: "/list", route: "/list", cache: view % 2 ? "hit" : "miss", m: { LCP: view % 2 ? HIT : MISS } }))));
  await told(beacon({ path: "/orders/31", route: "/orders/[order]", m: { LCP: 800 } }));
  for (let view = 0; view < 40; view += 1) await told(beacon({ path: "/users/7", m: { LCP: 900 + view * 40, INP: 80 } }));
});
after(async () => {
  await browser?.close();
  await www?.close();
});

/** @param {string} path */
async function ask(path) {
  const { headers } = await www.ask(path);
  answers.push({ route: path.startsWith("/users") ? "/users/:id" : path, status: headers["cache-status"] });
}
/** @param {unknown} view */
async function told(view) {
  const answer = await fetch(`${www.product.origin}/v1/vitals`, { method: "POST", body: JSON.stringify(view), headers: { "user-agent": DESKTOP } });
  assert.equal(answer.status, 200);
}
const isHit = (/** @type {{ status: string }} */ { status }) => /; hit\b/.test(status);

/** @param {Record<string, string>} [tokens] */
async function visitor(tokens = {}) {
  const visit = await visits(browser, www.product.origin);
  await visit.context.addInitScript((tokens) => Object.entries(tokens).forEach(([name, token]) => sessionStorage.setItem(name, token)), tokens);
  return visit;
}

test("the cache view requires its own token, and its counts match the responses", async () => {
  const { page, go, context } = await visitor();
  await go("/?view=cache&site=demo");
  await page.getByLabel("Cache token").fill("wrong");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("Invalid token.").waitFor();
  await page.getByLabel("Cache token").fill(TOKEN);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.locator("[data-fact=Hits]").waitFor();
  assert.match(String(await text(page, "[data-fact=Hits] small")), new RegExp(`^${answers.filter(isHit).length} of `));
  assert.equal(number(await text(page, "[data-fact=Requests] b")), answers.length);
  const users = answers.filter(({ route }) => route === "/users/:id");
  const cells = await page.locator('tr[data-route="/users/:id"] td.number').allTextContents();
  assert.deepEqual(cells.slice(0, 2).map(number), [users.length, users.filter(isHit).length]);
  const share = number(await text(page, 'tr[data-route="/users/:id"] [data-ratio]'));
  assert.ok(Math.abs(share - (users.filter(isHit).length / users.length) * 100) < 0.06, `${share} %`);
  // This Worker has one site, so the numbers of all sites equal those of the site.
  const groups = async (/** @type {string} */ of) => Object.fromEntries(await page.locator(`[data-of="${of}"] tr[data-group]`).evaluateAll((rows) => rows.map((row) => [row.getAttribute("data-group"), Number(row.querySelector("td.number")?.textContent)])));
  /** @param {{ route: string, status: string }[]} all @param {(answer: { route: string, status: string }) => string} name */
  const counted = (all, name) => all.reduce((sums, each) => ({ ...sums, [name(each)]: (sums[name(each)] ?? 0) + 1 }), /** @type {Record<string, number>} */ ({}));
  assert.deepEqual(await groups("Hits by tier"), counted(answers.filter(isHit), ({ status }) => String(status.match(/detail=(\w+)/)?.[1])));
  assert.deepEqual(await groups("Misses by reason"), counted(answers.filter((answer) => !isHit(answer)), ({ status }) => (/; stored/.test(status) ? "first request, now stored" : "not cacheable")));
  assert.deepEqual(await groups("Most requested"), { [`http://${HOST}/users/7`]: 6, [`http://${HOST}/users/8`]: 2 });
  for (const heading of ["#why", "#record", "[data-fact=Purges] small"]) assert.match(String(await text(page, heading)), /all sites/);
  await context.close();
});

test("a URL is explained, and a purge is confirmed, done and recorded", async () => {
  const { page, go, complaints, context } = await visitor({ "token-cache": TOKEN });
  await go("/?view=cache&site=demo");
  await page.getByLabel("URL", { exact: true }).first().fill(`http://${HOST}/users/7`);
  await page.getByRole("button", { name: "Explain" }).click();
  await page.locator("[data-explained] li").first().waitFor();
  assert.match(String(await text(page, "[data-explained]")), /Served from the cache.*Stored: 200/s);
  await page.locator("#purge-what").fill("user:7");
  await page.getByRole("button", { name: "Purge …" }).click();
  await page.getByRole("button", { name: "Cancel" }).click();
  await ask("/users/7");
  assert.ok(isHit(answers[answers.length - 1]), "a cancelled purge is not done");
  await page.getByRole("button", { name: "Purge …" }).click();
  await page.getByRole("button", { name: "Purge", exact: true }).click();
  await page.getByText("Purged: tag user:7.").waitFor();
  await ask("/users/7");
  assert.ok(!isHit(answers[answers.length - 1]));
  await ask("/users/8");
  assert.ok(isHit(answers[answers.length - 1]), "other responses stay cached");
  await page.getByLabel("URLs, or a sitemap").fill(`http://${HOST}/users/7\nhttp://${HOST}/users/9`);
  await page.getByRole("button", { name: "Warm …" }).click();
  await page.getByRole("button", { name: "Warm", exact: true }).click();
  await page.getByText(/^Warmed \d/).waitFor();
  await page.getByRole("button", { name: "Show the call log" }).click();
  await page.locator("tr[data-call=warm]").waitFor();
  assert.match(String(await text(page, "tr[data-call=purge]")), /Purge.*user:7.*Done/);
  await go("/?view=route&route=%2Fusers%2F%3Aid&site=demo&window=1h");
  assert.match(String(await text(page, ".marks .purge")), /^Purge .*user:7/);
  assert.deepEqual(complaints, []);
  await context.close();
});

test("the score is the sum of its parts, and a token reveals operations", async () => {
  const { page, go, complaints, context } = await visitor();
  await go("/?view=health&site=demo");
  const bulletin = await (await fetch(`${www.product.origin}/api/health/advanced?site=demo`)).json();
  assert.equal(await page.locator("[data-health]").getAttribute("data-health"), bulletin.health);
  const points = await page.locator("tr[data-part] td.number").allTextContents();
  assert.equal(points.length, bulletin.parts.length);
  assert.equal(points.reduce((sum, each) => sum + number(each), 0), number(await text(page, ".standing .score text")));
  assert.equal(await page.locator("#operations").count(), 0);
  await page.getByRole("button", { name: "Sign in with a read token" }).click();
  await page.getByLabel("READ_TOKEN").fill("read sesame");
  await page.getByRole("button", { name: "Continue" }).click();
  await page.locator("#operations").waitFor();
  assert.match(String(await text(page, "[data-fact='WebAssembly memory'] b")), /%$/);
  await settled(page);
  assert.deepEqual(complaints.filter((each) => !/\b(401|503)\b/.test(each)), []);
  await context.close();
});

test("a route shows the queries behind it, and names their edge routes", async () => {
  const { page, go, complaints, context } = await visitor();
  await go("/?view=route&route=%2Forders%2F%5Border%5D&site=demo&window=1h");
  assert.equal(await page.locator("[data-found]").getAttribute("data-found"), "shape");
  assert.match(String(await text(page, "[data-found]")), new RegExp(`no route named /orders/\\[order\\]\\. Showing routes of the same shape, /orders/:id: ${ORDERS} responses, ${ORDERS} of them from the origin`));
  assert.deepEqual(await page.locator("tr[data-query]").evaluateAll((rows) => rows.map((row) => row.getAttribute("data-query"))), ["order", "line"], "the slowest first");
  const { origin_seconds } = await (await fetch(`${www.product.origin}/api/performance/queries?site=demo&window=1h&route=/orders/:id`)).json();
  for (const name of ["order", "line"]) {
    const own = ran.filter((each) => each.name === name).map(({ millis }) => millis);
    const [runs, median, p95, together, share] = (await page.locator(`tr[data-query=${name}] td.number`).allTextContents()).map(number);
    const sum = own.reduce((all, each) => all + each, 0);
    assert.deepEqual([runs, together], [own.length, sum], name);
    for (const [found, percent] of [[median, 50], [p95, 95]]) assert.ok(Math.abs(found - exact(own, percent)) <= exact(own, percent) / 64 + 0.5, `p${percent} of ${name} is ${found}, exactly ${exact(own, percent)}`);
    if (origin_seconds > 0) assert.ok(Math.abs(share - sum / 10 / origin_seconds) < 0.06, `${share} % of ${origin_seconds} s`);
  }
  assert.match(String(await text(page, "tr[data-query=line] td.words")), new RegExp(`^5 times or more in ${ORDERS} of ${ORDERS} responses, at most 6`));
  // An edge route without queries, and a route that the edge does not have.
  await go("/?view=route&route=%2Fusers%2F%3Aid&site=demo&window=1h");
  assert.equal(await page.locator("[data-found]").getAttribute("data-found"), "name");
  assert.match(String(await text(page, "[data-found]")), /reported no queries.*queries for \/orders\/:id.*Server-Timing: db;dur/s);
  await go("/?view=route&route=%2Fcheckout&site=demo&window=1h");
  assert.match(String(await text(page, "[data-found=nowhere]")), /no route named \/checkout.*queries for \/orders\/:id/s);
  await page.getByRole("link", { name: "all queries" }).click();
  await settled(page);
  assert.deepEqual(await page.locator("tr[data-query] td.words:last-child").allTextContents(), ["/orders/:id", "/orders/:id"]);
  assert.deepEqual(complaints.filter((each) => !/\b(401|503)\b/.test(each)), []);
  await context.close();
});

test("a recommendation shows its visits, and links to them", async () => {
  const { page, go, context } = await visitor();
  await go("/?view=health&site=demo");
  const item = page.locator("[data-advice=cache-misses]");
  assert.equal(await item.getAttribute("data-place"), "/list desktop LCP");
  const fact = async (/** @type {string} */ name) => String(await item.locator(`[data-fact="${name}"]`).textContent()).slice(name.length);
  assert.match(await fact("Visits"), new RegExp(`^${2 * EACH}${EACH} \\(50%\\) over 2,000 ms$`));
  const lost = (EACH * (MISS - 2000)) / 1000;
  const all = lost + [...Array(200).keys()].reduce((sum, view) => sum + (1000 + view) / 1000, 0) + [...Array(40).keys()].reduce((sum, view) => sum + Math.max(0, view * 40 - 1100) / 1000, 0);
  assert.match(await fact("Time lost"), /^4 min/);
  const share = number((await fact("Time lost")).replace("4 min", ""));
  assert.ok(Math.abs(share - (lost / all) * 100) < 2, `${share} %, exactly ${(lost / all) * 100} %`);
  assert.ok(Math.abs(number(await fact("p75")) - MISS) <= MISS / 64, await fact("p75"));
  assert.match(await fact("Over budget per miss"), /^(1,9\d\d|2,0\d\d) ms$/);
  await item.getByRole("link", { name: "View route" }).click();
  await page.locator("h1.path").waitFor();
  await settled(page);
  assert.match(page.url(), /view=route&route=%2Flist&window=7d&device=desktop$/);
  assert.equal(number(await text(page, "[data-fact=Views] b")), 2 * EACH);
  await context.close();
});

test("an alert is acknowledged and silenced from the page, and the API agrees", async () => {
  const { page, go, context } = await visitor({ token: "read sesame" });
  const alerts = async () => (await fetch(`${www.product.origin}/api/alerts?site=demo`, { headers: { authorization: "Bearer read sesame" } })).json();
  const { raised } = await alerts();
  assert.ok(raised.length > 0, "a violated budget raises an alert");
  await go("/?view=health&site=demo");
  assert.deepEqual(await page.locator("li[data-alert]").evaluateAll((rows) => rows.map((row) => row.getAttribute("data-alert"))), raised.map((/** @type {any} */ { key }) => key));
  const first = page.locator("li[data-alert]").first();
  await first.getByRole("button", { name: "Acknowledge" }).click();
  await page.getByLabel("Your name").fill("Kim");
  await page.getByRole("button", { name: "Acknowledge", exact: true }).last().click();
  // A change requires the management token.
  await page.getByLabel("MANAGE_TOKEN").fill("manage sesame");
  await page.getByRole("button", { name: "Continue" }).click();
  await page.getByText("acknowledged by Kim").waitFor();
  assert.equal((await alerts()).raised[0].acknowledged.by, "Kim");
  await page.locator("li[data-alert]").first().getByRole("button", { name: "Silence …" }).click();
  await page.getByLabel("Duration in minutes").fill("30");
  await page.getByLabel("Reason").fill("a new basket");
  await page.getByRole("button", { name: "Silence", exact: true }).click();
  await page.locator("[data-mute]").filter({ hasText: "a new basket (Kim)" }).waitFor();
  const [mute] = (await alerts()).mutes;
  assert.equal(mute.until - mute.from, 30 * 60_000);
  await page.getByRole("button", { name: "Remove silence" }).click();
  await page.locator("[data-mute]").waitFor({ state: "detached" });
  assert.deepEqual((await alerts()).mutes, []);
  await context.close();
});

test("the overview shows open alerts to readers with a token, and the age and completeness of its data", async () => {
  const headers = { authorization: "Bearer read sesame" };
  const { raised } = await (await fetch(`${www.product.origin}/api/alerts?site=demo`, { headers })).json();
  const { sent, heard, heard_at } = await (await fetch(`${www.product.origin}/api/vitals/distribution?site=demo`)).json();
  const { page, go, complaints, context } = await visitor({ token: "read sesame" });
  await go("/?site=demo");
  assert.deepEqual(await page.locator(".called li").evaluateAll((rows) => rows.map((row) => row.getAttribute("data-alert"))), raised.slice(0, 5).map((/** @type {any} */ { key }) => key));
  assert.match(String(await text(page, ".called li")), /acknowledged by Kim/);
  assert.match(String(await text(page, "[data-fact='Beacons received'] small")), new RegExp(`^${heard} of ${sent}$`));
  assert.match(String(await text(page, "[data-fact='Last beacon'] b")), /ago|now/);
  const at = new Intl.DateTimeFormat("en-US", { dateStyle: "medium", timeStyle: "short", timeZone: "UTC" }).format(heard_at);
  assert.equal(await text(page, "[data-fact='Last beacon'] small"), at);
  await page.getByRole("link", { name: "Acknowledge or silence" }).click();
  await page.locator("#operations").waitFor();
  const stranger = await visitor();
  await stranger.go("/?site=demo");
  assert.match(String(await text(stranger.page, "[aria-labelledby=attention]")), /Alerts require the read token/);
  assert.deepEqual([...complaints, ...stranger.complaints].filter((each) => !/\b503\b/.test(each)), []);
  await Promise.all([context.close(), stranger.context.close()]);
});

test("the status history matches the evaluations; an incident shows its start, end and notifications", async () => {
  const headers = { authorization: "Bearer read sesame" };
  const real = await (await fetch(`${www.product.origin}/api/health/history?site=demo&window=7d`, { headers })).json();
  const { page, go, context } = await visitor({ token: "read sesame" });
  await go("/?view=health&site=demo");
  assert.deepEqual(await page.locator("tr[data-incident]").evaluateAll((rows) => rows.map((row) => row.getAttribute("data-incident"))), real.incidents.slice(0, 8).map((/** @type {any} */ { key }) => key));
  assert.match(String(await text(page, "tr[data-incident] td:last-child")), /^(nobody|Kim.*)$/);
  assert.ok((await page.locator("tr[data-incident]").allTextContents()).some((row) => row.includes("Kim")), "the person who acknowledged is named");
  assert.deepEqual((await page.locator("tr[data-status]").evaluateAll((rows) => rows.map((row) => row.getAttribute("data-status")))).filter((status) => status !== "unseen"), real.statuses.map((/** @type {any} */ { health }) => health).reverse());
  // A mocked history: the tests cannot wait for days.
  await page.route("**/api/health/history?*", (route) => route.fulfill({ json: PAST(Date.now()) }));
  await go("/?view=health&site=demo&window=28d");
  assert.equal(await page.locator("[data-history]").getAttribute("data-history"), "28d");
  assert.equal(await page.locator(".strip").getAttribute("aria-label"), "Status over time: 82.1% healthy, 3.6% degraded, 7.1% unhealthy, 7.1% not evaluated");
  const [bar, ...pieces] = await page.locator(".strip, .strip i").evaluateAll((all) => all.map((each) => each.getBoundingClientRect().toJSON()));
  assert.deepEqual(pieces.map(({ left, width }) => [(left - bar.left) / bar.width, width / bar.width].map((part) => Math.round(part * 28))), [[0, 10], [10, 1], [11, 6], [19, 2], [21, 7]]);
  assert.deepEqual((await page.locator("tr[data-status]").allTextContents()).map((row) => row.replace(/[A-Z][a-z]{2} \d+, \d{4}, \d+:\d\d.[AP]M/g, "·")), ["Healthy·now7 days92", "Unhealthy··2 days31", "Not evaluated··2 days–", "Healthy··6 days92", "Degraded··24 h74", "Healthy··10 days92"]);
  assert.equal(await page.locator("[data-spent=unseen]").isVisible(), true);
  const rows = await page.locator("tr[data-incident]").allTextContents();
  assert.match(rows[0], /^Slow responsesthe whole siteWarning.*ongoing2 hnobodynobody$/);
  assert.match(rows[1], /^Budget violated\/cart · phone · LCPCritical.*ended.*2 dayspagerslackAnn/);
  await context.close();
});

/** Four weeks with one degraded day, a gap of two days and two unhealthy days. @param {number} to */
function PAST(to) {
  const DAY = 86_400_000;
  const at = (/** @type {number} */ day) => to - (28 - day) * DAY;
  const run = (/** @type {string} */ health, /** @type {number} */ from, /** @type {number} */ until, /** @type {number} */ score) => ({ from: at(from), to: at(until), health, score });
  const told = { pager: at(19), slack: at(19) + 60_000 };
  const incident = { v: 1, key: "demo|verdict|/cart|phone|LCP", signal: "verdict", route: "/cart", device: "phone", series: "LCP", opened: at(19), level: "critical", says: "LCP of /cart on phones: the budget is violated", told, acknowledged: { by: "Ann", at: at(19) + 900_000 }, ended: { at: at(21), lapsed: false } };
  const slow = { v: 1, key: "demo|response-time|||", signal: "response-time", opened: to - 7_200_000, level: "warning", says: "The site: the 95th percentile of the time that answers take is 620 ms", told: {}, acknowledged: null, ended: null };
  return {
    v: 1, site: "demo", from: at(0), to,
    statuses: [run("healthy", 0, 10, 92), run("degraded", 10, 11, 74), run("healthy", 11, 17, 92), run("unhealthy", 19, 21, 31), run("healthy", 21, 28, 92)],
    spent: { healthy: 23 * DAY, degraded: DAY, unhealthy: 2 * DAY }, unseen: 2 * DAY,
    incidents: [slow, incident], more_incidents: 0,
  };
}

const PLACES = { cache: "/?view=cache&site=demo", health: "/?view=health&site=demo&window=28d", called: "/?site=demo", queries: "/?view=route&route=%2Forders%2F%3Aid&site=demo&window=1h" };

test("the cache and health views pass axe in both themes, and fit at three widths", async () => {
  await photographed(browser, www.product.origin, PLACES, async (page, name) => {
    if (name !== "health") return;
    await page.route("**/api/health/history?*", (route) => route.fulfill({ json: PAST(Date.now()) }));
    await page.reload();
    await page.locator(".strip .degraded").waitFor();
  }, { "token-cache": TOKEN, token: "read sesame" });
});
