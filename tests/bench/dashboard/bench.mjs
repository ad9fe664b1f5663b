// What a large site costs the dashboard's page: a thousand routes told to the real Worker, four hundred days of
// history, each view opened in Chromium, scrolled and read to its end. The longest task beside the 50 ms after
// which a browser calls a task long, as processor time, for what others do meanwhile is not the page's; and the
// nodes of the page. Then it is used on a phone, four times slower than this processor: how long it leaves a hand
// without an answer. Prints figures as JSON.
import { DEVICES, launch } from "../../browser/chromium.mjs";
import { fill, long } from "../../dashboard/large.mjs";
import { deploy } from "../../lighthouse/deployment.mjs";

/** After so many milliseconds a browser calls a task long. */
const LONG = 50;
/** As many as the tests of a large site allow. */
const MOST_NODES = 3000;
const ROUNDS = 3;
/** Milliseconds up to which an Interaction to Next Paint is good. */
const GOOD = 200;

const VIEWS = /** @type {Record<string, string>} */ ({
  overview: "",
  routes: "&view=routes",
  "a route over 400 days": "&view=route&route=%2Fshelf%2F7%2Fitem&window=400d",
  budgets: "&view=budgets",
  compare: "&view=compare&a=4.0.0&b=4.1.0",
  health: "&view=health",
});

/** What somebody does there. @type {[string, string, (page: import("playwright-core").Page) => Promise<unknown>][]} */
const TOUCHES = [
  ["sorts a thousand routes", VIEWS.routes, (page) => page.getByRole("button", { name: "Views" }).tap()],
  ["finds one of a thousand routes", VIEWS.routes, (page) => page.getByRole("searchbox").pressSequentially("item")],
  ["turns a page of routes", VIEWS.routes, (page) => page.getByRole("button", { name: "Next" }).tap()],
  ["turns a page of twelve thousand budgets", VIEWS.budgets, (page) => page.getByRole("button", { name: "Next" }).tap()],
  ["moves a percentile", VIEWS["a route over 400 days"], (page) => page.locator("#percentile").press("ArrowLeft")],
  ["turns to the routes", VIEWS.overview, (page) => page.locator("#views").getByRole("link", { name: "Routes" }).tap()],
];

const site = await deploy("bench-dashboard", { SITES: { demo: { public: true }, "vitals-dashboard": { public: true } } });
const browser = await launch("desktop");
const figures = [];
try {
  await fill(site.send);
  for (const [name, path] of Object.entries(VIEWS)) {
    const rounds = [];
    for (let round = 0; round < ROUNDS; round += 1) rounds.push(await opened(path));
    // The middle one: a collection of garbage falls into one round or another.
    const { tasks, nodes } = rounds.sort((one, other) => one.tasks[0] - other.tasks[0])[ROUNDS >> 1];
    const next = tasks.slice(1, 4).map((took) => Math.round(took)).join(", ");
    figures.push({ name: `${name}: the longest task`, value: tasks[0], unit: "ms", ratio: tasks[0] / LONG, against: `a long task of ${LONG} ms; the next ones take ${next} ms`, goal: 1 });
    figures.push({ name: `${name}: nodes of the page`, value: nodes, unit: "nodes", ratio: nodes / MOST_NODES, against: `${MOST_NODES}`, goal: 1 });
  }
  for (const [name, path, touch] of TOUCHES) {
    const rounds = [];
    for (let round = 0; round < ROUNDS; round += 1) rounds.push(await touched(path, touch));
    const took = rounds.sort((one, other) => one - other)[ROUNDS >> 1];
    figures.push({ name: `on a phone, who ${name} waits`, value: took, unit: "ms", ratio: took / GOOD, against: `a good INP of ${GOOD} ms`, goal: 1 });
  }
} finally {
  await browser.close();
  await site.close();
}
console.log(JSON.stringify({ figures }));
process.exit(0);

/** A view from the first byte on until it was scrolled to its end. @param {string} path */
async function opened(path) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  try {
    const page = await context.newPage();
    await answers(page);
    await browser.startTracing(page, { categories: ["devtools.timeline", "disabled-by-default-devtools.timeline"] });
    await page.goto(`${site.origin}/?site=demo${path}`);
    await page.locator("#content:not([aria-busy])").waitFor();
    if (path.includes("400d")) await page.locator(".chart canvas").waitFor();
    // Read from top to bottom, a screen a frame.
    await page.evaluate(async () => {
      for (let at = 0; at < document.documentElement.scrollHeight; at += innerHeight) {
        scrollTo(0, at);
        await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
      }
    });
    const nodes = await page.evaluate(() => document.querySelectorAll("*").length);
    return { tasks: tasks(JSON.parse(String(await browser.stopTracing())).traceEvents), nodes };
  } finally {
    await context.close();
  }
}

/**
 * The longest that an interaction takes until the next paint, on a phone. @param {string} path
 * @param {(page: import("playwright-core").Page) => Promise<unknown>} touch
 */
async function touched(path, touch) {
  const context = await browser.newContext(DEVICES.phone);
  try {
    const page = await context.newPage();
    await answers(page);
    await page.addInitScript(() => {
      const told = /** @type {any} */ (globalThis);
      told.took = [];
      const seen = (/** @type {PerformanceObserverEntryList} */ list) => {
        for (const entry of list.getEntries()) if (/** @type {any} */ (entry).interactionId) told.took.push(entry.duration);
      };
      // What is quicker than a frame is not told of.
      new PerformanceObserver(seen).observe(/** @type {any} */ ({ type: "event", durationThreshold: 16 }));
    });
    await page.goto(`${site.origin}/?site=demo${path}`);
    await page.locator("#content:not([aria-busy])").waitFor();
    await (await context.newCDPSession(page)).send("Emulation.setCPUThrottlingRate", { rate: 4 });
    await touch(page);
    await page.locator("#content:not([aria-busy])").waitFor();
    // An entry comes with the paint after the one that it is of.
    return await page.evaluate(async () => {
      for (let frame = 0; frame < 10; frame += 1) await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
      return Math.max(16, .../** @type {any} */ (globalThis).took);
    });
  } finally {
    await context.close();
  }
}

/** Four hundred days, which the Worker was not told of. @param {import("playwright-core").Page} page */
function answers(page) {
  return page.route("**/api/vitals/series?*", async (route) => {
    const answer = await route.fetch();
    const json = await answer.json();
    await route.fulfill({ response: answer, json: route.request().url().includes("window=400d") ? long(json) : json });
  });
}

/**
 * The processor time that each task of a page's thread took, in milliseconds, the longest first.
 * @param {{ name: string, ph: string, pid: number, tid: number, tdur?: number, args?: any }[]} events
 */
function tasks(events) {
  // No other page is open.
  const threads = new Set(events.filter(({ name, args }) => name === "thread_name" && args.name === "CrRendererMain").map(({ pid, tid }) => `${pid} ${tid}`));
  const own = events.filter(({ name, ph, pid, tid }) => name === "RunTask" && ph === "X" && threads.has(`${pid} ${tid}`));
  if (own.length < 100) throw new Error(`the trace has ${own.length} tasks of the page`);
  return own.map(({ tdur = 0 }) => tdur / 1000).sort((one, other) => other - one);
}
