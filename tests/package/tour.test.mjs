//! Tours through a real Next.js application with web-vitals on the same page load: each navigation is one view, none
//! is lost or counted twice, and its values are those of web-vitals. `TOURS` is their number, `TOUR` the seed of a
//! single one. With `NEXT=15` they go through the same application under Next.js 15.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { Browser } from "../parity/browser.mjs";
import { viewsOf } from "../parity/compare.mjs";
import { serve as serveWorker } from "../product.mjs";
import { BEFORE, build, install, PROJECTS, serve } from "./projects.mjs";

const NAVIGATIONS = 30;
const seeds = process.env.TOUR ? [Number(process.env.TOUR)] : Array.from({ length: Number(process.env.TOURS ?? 1) }, (_, index) => index + 1);

describe("tours through a Next.js application", () => {
  /** @type {Awaited<ReturnType<typeof serveWorker>>} */
  let worker;
  /** @type {Browser} */
  let browser;
  /** @type {Awaited<ReturnType<typeof serve>>} */
  let site;
  /** @type {string} */
  let script;

  before(async () => {
    const project = process.env.NEXT === "15" ? BEFORE : PROJECTS[0];
    await install(project);
    await build(project);
    worker = await serveWorker({ SITES: { portal: { origins: ["*"], public: true } } });
    browser = await Browser.launch();
    site = await serve(project, worker.origin);
    script = `${await readFile(new URL("../../node_modules/web-vitals/dist/web-vitals.iife.js", import.meta.url), "utf8")}\n(${observe})();`;
  });
  after(async () => {
    await site?.close();
    await browser?.close();
    await worker?.close();
  });

  for (const seed of seeds) {
    test(`tour ${seed}: every view is web-vitals' own, none is double or lost`, { timeout: 120_000 }, async () => {
      const window = await browser.window();
      try {
        const tab = await window.open(false);
        await tab.send("Page.addScriptToEvaluateOnNewDocument", { source: script });
        site.heard.length = 0;
        await tab.goto(site.origin);
        // Hydrated, and the client has started.
        await tab.until((records) => records.some(({ kind }) => kind === "ready"));
        const steps = await tour(tab, seed);
        await window.coverAll();
        const [{ reports, navigations }] = await tab.until((records) => (records.at(-1)?.kind === "hidden" ? records.slice(-1) : undefined));
        const expected = viewsOf(reports);
        await site.hears(() => new Set(sent().map(({ view }) => view)).size > navigations);

        const views = [...Map.groupBy(sent(), ({ view }) => view).values()].map((beacons) => beacons.at(-1));
        const context = () => `${steps.join(" ")}\n${views.map((view) => JSON.stringify(view)).join("\n")}`;
        assert.equal(views.length, navigations + 1, context());
        const reported = views.filter(({ nav }) => nav !== "view").map(({ nav, m: { FID, ...m } }) => ({ nav, ...m }));
        assert.deepEqual(reported, expected, context());
        assert.ok(views.every(({ route }) => ROUTES.has(route)), context());
      } finally {
        await window.close();
      }
    });
  }

  test("a visit under a policy that refuses WebAssembly is measured, too", { timeout: 60_000 }, async () => {
    const window = await browser.window();
    try {
      const tab = await window.open(false);
      site.heard.length = 0;
      await tab.send("Page.setLifecycleEventsEnabled", { enabled: true });
      await tab.goto(`${site.origin}/product/42?policed`);
      while ((await tab.event("Page.lifecycleEvent")).name !== "networkIdle");
      await tab.evaluate("new Promise((resolve) => requestIdleCallback(resolve))");
      await window.coverAll();
      await site.hears(() => sent().length > 0);
      const { lost, m, route } = sent()[0];
      assert.ok(lost === undefined && m.FCP > 0 && m.LCP > 0 && m.TTFB > 0 && route === "/product/:id", JSON.stringify(site.heard));
    } finally {
      await window.close();
    }
  });

  /** The beacons of the tour in the order of their views. */
  const sent = () => site.heard.map(({ beacon }) => beacon).sort((one, other) => one.view - other.view || one.seq - other.seq);
});

/** Follows links, goes back and forward, and works in between. @param {import("../parity/browser.mjs").Tab} tab @param {number} seed */
async function tour(tab, seed) {
  const random = mulberry(seed);
  const steps = [];
  /** The depth of the history behind and before the current entry. */
  let [behind, ahead] = [0, 0];
  for (let navigations = 0; navigations < NAVIGATIONS; ) {
    const path = await tab.evaluate("location.pathname");
    const actions = [...LINKS.filter(([, target]) => target !== path).map(([link]) => link), "query", "work", ...(behind ? ["back", "browser-back"] : []), ...(ahead ? ["browser-forward"] : [])];
    const action = actions[Math.floor(random() * actions.length)];
    steps.push(action);
    const before = await tab.evaluate("touring.state()");
    if (action === "browser-back") await tab.back();
    else if (action === "browser-forward") await tab.forward();
    else if (random() < 0.2 && action !== "query" && action !== "back" && action !== "work") {
      await tab.evaluate(`document.querySelector("#${action}").focus()`);
      for (const type of ["keyDown", "keyUp"]) await tab.send("Input.dispatchKeyEvent", { type, text: type === "keyDown" ? "\r" : undefined, key: "Enter", code: "Enter", windowsVirtualKeyCode: 13 });
    } else await tab.click(`#${action}`);
    if (action === "work") {
      await tab.evaluate("touring.settled()");
      continue;
    }
    navigations += 1;
    if (action.endsWith("back")) [behind, ahead] = [behind - 1, ahead + 1];
    else if (action === "browser-forward") [behind, ahead] = [behind + 1, ahead - 1];
    else if (action !== "other") [behind, ahead] = [behind + 1, 0];
    await tab.evaluate(`touring.navigated(${JSON.stringify(before)})`);
  }
  return steps;
}

/** The links and the paths to which they lead. `other` replaces the current entry, `moved` redirects. */
const LINKS = [["home", "/"], ["product", "/product/42"], ["other", "/product/product"], ["slow", "/slow"], ["moved", "/docs/start/here"], ["search", "/search"]];

const ROUTES = new Set(["/", "/product/:id", "/slow", "/docs/:path*", "/search"]);

/** Runs in the page: subscribes web-vitals and follows the address and the browser's own soft navigations. */
function observe() {
  const { webVitals, __tell: tell } = /** @type {any} */ (globalThis);
  /** The last report of each metric instance. @type {Map<string, object>} */
  const reports = new Map();
  for (const name of ["onFCP", "onLCP", "onCLS", "onINP", "onTTFB"]) {
    webVitals[name](
      (/** @type {any} */ { name, value, id, navigationType, navigationStartTime, entries }) =>
        reports.set(id, { name, value, navigationType, navigationStartTime, entries: entries.map((/** @type {any} */ { startTime }) => ({ startTime })) }),
      { reportSoftNavs: true },
    );
  }
  let entries = 0;
  new PerformanceObserver((list) => (entries += list.getEntries().length)).observe({ type: "soft-navigation", buffered: true });
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  const idle = () => new Promise((resolve) => requestIdleCallback(resolve));
  const settled = () => frame().then(frame).then(idle).then(() => new Promise((resolve) => setTimeout(resolve)));
  let navigations = 0;
  const state = () => ({ entries, path: location.pathname, entry: /** @type {any} */ (globalThis).navigation.currentEntry.id });
  Object.assign(globalThis, {
    touring: {
      settled,
      state,
      /**
       * Resolves when the address has changed and the browser has reported the navigation, if it does: going back over a
       * change of the query paints nothing, and is no view if the path stays the same.
       * @param {ReturnType<typeof state>} before
       */
      async navigated(before) {
        while (state().entry === before.entry) await frame();
        const latest = performance.now() + 1000;
        while (entries === before.entries && performance.now() < latest) await frame();
        if (entries !== before.entries || location.pathname !== before.path) navigations += 1;
        await settled();
      },
    },
  });
  addEventListener("load", async () => {
    while (!Object.keys(document.querySelector("#work") ?? {}).some((key) => key.startsWith("__react"))) await frame();
    await settled();
    tell(JSON.stringify({ kind: "ready" }));
  });
  // In the bubbling phase, after everyone's reports.
  addEventListener("visibilitychange", () => document.visibilityState === "hidden" && setTimeout(() => tell(JSON.stringify({ kind: "hidden", reports: [...reports.values()], navigations }))));
}

/** A small generator of random numbers. @param {number} seed */
function mulberry(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
