// The views of the cache and of the site's health, as who is on call meets them: against a Worker that
// stands before an origin, and what its own answers said.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { launch } from "../browser/chromium.mjs";
import { HOST, TOKEN, gives, site } from "../cache/site.mjs";
import { DESKTOP, beacon } from "../product.mjs";
import { number, photographed, settled, text, visits } from "./visitor.mjs";

/** @type {Awaited<ReturnType<typeof site>>} */
let www;
/** @type {import("playwright-core").Browser} */
let browser;
/** What each answer of the cache said of itself. @type {{ route: string, status: string }[]} */
const answers = [];

before(async () => {
  www = await site(
    (url) => ({
      routes: [
        { host: HOST, path: "/users/{id}", origin: url, ttl: "medium", tags: ["user:{id}"], site: "demo" },
        { host: HOST, path: "/**", origin: url, site: "demo" },
      ],
    }),
    { vars: { SITES: { demo: { public: true } }, READ_TOKEN: "read sesame", MANAGE_TOKEN: "manage sesame" } },
  );
  browser = await launch("desktop");
  for (const id of ["7", "8"]) www.own.on(`/users/${id}`, gives({ "content-type": "text/html" }, "<h1>A user</h1>"));
  www.own.on("/basket", gives({ "cache-control": "no-store" }));
  for (const [path, times] of /** @type {[string, number][]} */ ([["/users/7", 6], ["/users/8", 2], ["/basket", 3]])) {
    for (let time = 0; time < times; time += 1) await ask(path);
  }
  await Promise.all(Array.from({ length: 200 }, (_, view) => told(beacon({ path: "/checkout", m: { LCP: 3000 + view } }))));
  // Somebody is called when it is bad again at the next look.
  for (let looks = 0; looks < 3; looks += 1) await /** @type {any} */ (www.product).worker.scheduled({ cron: "*/15 * * * *" });
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

test("the cache opens with its own token, and counts as its answers said", async () => {
  const { page, go, context } = await visitor();
  await go("/?view=cache&site=demo");
  await page.getByLabel("Cache token").fill("wrong");
  await page.getByRole("button", { name: "Open" }).click();
  await page.getByText("The token was not accepted.").waitFor();
  await page.getByLabel("Cache token").fill(TOKEN);
  await page.getByRole("button", { name: "Open" }).click();
  await page.locator("[data-fact=Hits]").waitFor();
  assert.match(String(await text(page, "[data-fact=Hits] small")), new RegExp(`^${answers.filter(isHit).length} of `));
  assert.equal(number(await text(page, "[data-fact=Requests] b")), answers.length);
  const users = answers.filter(({ route }) => route === "/users/:id");
  const cells = await page.locator('tr[data-route="/users/:id"] td.number').allTextContents();
  assert.deepEqual(cells.slice(0, 2).map(number), [users.length, users.filter(isHit).length]);
  const share = number(await text(page, 'tr[data-route="/users/:id"] [data-ratio]'));
  assert.ok(Math.abs(share - (users.filter(isHit).length / users.length) * 100) < 0.06, `${share} %`);
  await context.close();
});

test("an address is explained, and a purge is asked about, done and recorded", async () => {
  const { page, go, complaints, context } = await visitor({ "token-cache": TOKEN });
  await go("/?view=cache&site=demo");
  await page.getByLabel("Address", { exact: true }).first().fill(`http://${HOST}/users/7`);
  await page.getByRole("button", { name: "Explain" }).click();
  await page.locator("[data-explained] li").first().waitFor();
  assert.match(String(await text(page, "[data-explained]")), /served from what is stored.*Stored: 200/s);
  await page.locator("#purge-what").fill("user:7");
  await page.getByRole("button", { name: "Purge …" }).click();
  await page.getByRole("button", { name: "Cancel" }).click();
  await ask("/users/7");
  assert.ok(isHit(answers[answers.length - 1]), "what was asked and not confirmed is not done");
  await page.getByRole("button", { name: "Purge …" }).click();
  await page.getByRole("button", { name: "Purge", exact: true }).click();
  await page.getByText("Purged: tag user:7.").waitFor();
  await ask("/users/7");
  assert.ok(!isHit(answers[answers.length - 1]));
  await ask("/users/8");
  assert.ok(isHit(answers[answers.length - 1]), "nothing else is gone");
  await page.getByLabel("Addresses, or a sitemap").fill(`http://${HOST}/users/7\nhttp://${HOST}/users/9`);
  await page.getByRole("button", { name: "Warm …" }).click();
  await page.getByRole("button", { name: "Warm", exact: true }).click();
  await page.getByText(/^Warmed \d/).waitFor();
  await page.getByRole("button", { name: "Show the record" }).click();
  await page.locator("tr[data-call=warm]").waitFor();
  assert.match(String(await text(page, "tr[data-call=purge]")), /Purge.*user:7.*Done/);
  await go("/?view=route&route=%2Fusers%2F%3Aid&site=demo&window=1h");
  assert.match(String(await text(page, ".marks .purge")), /^Purge .*user:7/);
  assert.deepEqual(complaints, []);
  await context.close();
});

test("the score is the sum of its parts, and who holds the token sees the machinery", async () => {
  const { page, go, complaints, context } = await visitor();
  await go("/?view=health&site=demo");
  const bulletin = await (await fetch(`${www.product.origin}/api/health/advanced?site=demo`)).json();
  assert.equal(await page.locator("[data-health]").getAttribute("data-health"), bulletin.health);
  const points = await page.locator("tr[data-part] td.number").allTextContents();
  assert.equal(points.length, bulletin.parts.length);
  assert.equal(points.reduce((sum, each) => sum + number(each), 0), number(await text(page, ".standing .score text")));
  assert.equal(await page.locator("#machinery").count(), 0);
  await page.getByRole("button", { name: "Give the token …" }).click();
  await page.getByLabel("The secret READ_TOKEN").fill("read sesame");
  await page.getByRole("button", { name: "Go on" }).click();
  await page.locator("#machinery").waitFor();
  assert.match(String(await text(page, "[data-fact=Memory] b")), /%$/);
  await settled(page);
  assert.deepEqual(complaints.filter((each) => !/\b(401|503)\b/.test(each)), []);
  await context.close();
});

test("an alert is looked after and silenced from the page, and as the API then has it", async () => {
  const { page, go, context } = await visitor({ token: "read sesame" });
  const alerts = async () => (await fetch(`${www.product.origin}/api/alerts?site=demo`, { headers: { authorization: "Bearer read sesame" } })).json();
  const { raised } = await alerts();
  assert.ok(raised.length > 0, "a page that is broken calls somebody");
  await go("/?view=health&site=demo");
  assert.deepEqual(await page.locator("li[data-alert]").evaluateAll((rows) => rows.map((row) => row.getAttribute("data-alert"))), raised.map((/** @type {any} */ { key }) => key));
  const first = page.locator("li[data-alert]").first();
  await first.getByRole("button", { name: "Acknowledge" }).click();
  await page.getByLabel("Who looks after it").fill("Kim");
  await page.getByRole("button", { name: "Acknowledge", exact: true }).last().click();
  // Whoever only reads changes nothing: the token that does is asked for.
  await page.getByLabel("The secret MANAGE_TOKEN").fill("manage sesame");
  await page.getByRole("button", { name: "Go on" }).click();
  await page.getByText("Kim looks after it").waitFor();
  assert.equal((await alerts()).raised[0].acknowledged.by, "Kim");
  await page.locator("li[data-alert]").first().getByRole("button", { name: "Silence …" }).click();
  await page.getByLabel("For how many minutes").fill("30");
  await page.getByLabel("What for").fill("a new basket");
  await page.getByRole("button", { name: "Silence", exact: true }).click();
  await page.locator("[data-mute]").filter({ hasText: "a new basket (Kim)" }).waitFor();
  const [mute] = (await alerts()).mutes;
  assert.equal(mute.until - mute.from, 30 * 60_000);
  await page.getByRole("button", { name: "Take back" }).click();
  await page.locator("[data-mute]").waitFor({ state: "detached" });
  assert.deepEqual((await alerts()).mutes, []);
  await context.close();
});

test("the views of the machinery are clean by axe in both themes, and fit at three widths", async () => {
  await photographed(browser, www.product.origin, { cache: "/?view=cache&site=demo", health: "/?view=health&site=demo" }, async () => {}, { "token-cache": TOKEN, token: "read sesame" });
});
