// What a large site costs the dashboard's page: a thousand routes told to the real Worker, four hundred days of
// history, each view opened in Chromium, scrolled and read to its end. The longest task beside the 50 ms after
// which a browser calls a task long, and the nodes of the page. Prints figures as JSON. With `--phone` as a phone, whose processor is four times slower.
import { launch, DEVICES } from "../../browser/chromium.mjs";
import { fill, long } from "../../dashboard/large.mjs";
import { deployed } from "../../lighthouse/deployed.mjs";

const RATE = process.argv.includes("--phone") ? 4 : 1;
/** After so many milliseconds a browser calls a task long. */
const LONG = 50;
const ROUNDS = 3;
const ROUTE = "route=%2Fshelf%2F7%2Fitem";

const VIEWS = /** @type {Record<string, string>} */ ({
  overview: "",
  routes: "&view=routes",
  "a route over 400 days": `&view=route&${ROUTE}&window=400d`,
  budgets: "&view=budgets",
  compare: "&view=compare&a=4.0.0&b=4.1.0",
  health: "&view=health",
});

const site = await deployed("bench-dashboard", { SITES: { demo: { public: true }, "vitals-dashboard": { public: true } } });
const browser = await launch("phone");
const figures = [];
try {
  await fill(site.send);
  for (const [name, path] of Object.entries(VIEWS)) {
    const rounds = [];
    for (let round = 0; round < ROUNDS; round += 1) rounds.push(await opened(path));
    // What others take of the processor makes a task longer and none shorter.
    const best = rounds.reduce((one, other) => (one.longest <= other.longest ? one : other));
    figures.push({ name: `${name}: the longest task`, value: best.longest, unit: "ms", ratio: best.longest / LONG, against: `a long task of ${LONG} ms; ${best.what}`, goal: 1 });
    figures.push({ name: `${name}: nodes of the page`, value: best.nodes, unit: "nodes", ratio: best.nodes / 3000, against: "3,000", goal: 1 });
  }
} finally {
  await browser.close();
  await site.close();
}
console.log(JSON.stringify({ figures }));
process.exit(0);

/** A view from the first byte on until it was scrolled to its end. @param {string} path */
async function opened(path) {
  const context = await browser.newContext(RATE > 1 ? DEVICES.phone : DEVICES.desktop);
  try {
    const page = await context.newPage();
    const session = await context.newCDPSession(page);
    await session.send("Emulation.setCPUThrottlingRate", { rate: RATE });
    await page.addInitScript(() => {
      /** @type {any} */ (globalThis).tasks = [];
      new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) /** @type {any} */ (globalThis).tasks.push([entry.startTime, entry.duration]);
      }).observe({ type: "longtask", buffered: true });
    });
    await page.route("**/api/vitals/series?*", async (route) => {
      const answer = await route.fetch();
      const json = await answer.json();
      await route.fulfill({ response: answer, json: route.request().url().includes("window=400d") ? long(json) : json });
    });
    await page.goto(`${site.origin}/?site=demo${path}`);
    await page.locator("#content:not([aria-busy])").waitFor();
    // Read from top to bottom, a screen a frame.
    await page.evaluate(async () => {
      for (let at = 0; at < document.documentElement.scrollHeight; at += innerHeight) {
        scrollTo(0, at);
        await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
      }
    });
    const { tasks, nodes } = await page.evaluate(() => ({ tasks: /** @type {[number, number][]} */ (/** @type {any} */ (globalThis).tasks), nodes: document.querySelectorAll("*").length }));
    const longest = Math.max(0, ...tasks.map(([, took]) => took));
    return { longest, nodes, what: `${tasks.length} of them, ${tasks.map(([at, took]) => `${Math.round(at)}+${Math.round(took)}`).join(" ")}` };
  } finally {
    await context.close();
  }
}
