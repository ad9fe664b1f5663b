//! The client on test pages: its beacons and their times, the data that it withholds, and its silence
//! where it cannot run. tests/parity checks the values themselves.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { after, before, beforeEach, describe, test } from "node:test";
import { chromium } from "playwright-core";

const dist = new URL("../../pkg/dist/", import.meta.url);

describe("the client", () => {
  /** @type {import("playwright-core").Browser} */
  let browser;
  /** @type {import("node:http").Server} */
  let server;
  /** @type {string} */
  let origin;
  /** The received beacons. @type {any[]} */
  let beacons = [];
  /** The statuses of the next responses; otherwise 204. @type {number[]} */
  let answers = [];
  /** Called for each beacon. @type {(() => void)[]} */
  let waiting = [];
  /** Further header fields of the page. @type {Record<string, string>} */
  let headers = {};

  before(async () => {
    server = createServer(async (request, response) => {
      const { pathname } = new URL(request.url ?? "/", "http://page");
      if (request.method === "POST") {
        let body = "";
        for await (const part of request) body += part;
        beacons.push({ ...JSON.parse(body), type: request.headers["content-type"] });
        response.writeHead(answers.shift() ?? 204).end();
        for (const wake of waiting.splice(0)) wake();
      } else if (/\.(js|wasm)$/.test(pathname)) {
        const type = pathname.endsWith(".js") ? "text/javascript" : "application/wasm";
        response.writeHead(200, { "content-type": type }).end(await readFile(new URL(`.${pathname}`, dist)));
      } else {
        response
          .writeHead(200, { "content-type": "text/html", ...headers })
          .end("<!doctype html><title>page</title><h1>Hello</h1><button>Press</button><p>Text</p>");
      }
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
    const address = /** @type {import("node:net").AddressInfo} */ (server.address());
    origin = `http://localhost:${address.port}`;
    browser = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"],
    });
  });

  beforeEach(() => {
    beacons = [];
    answers = [];
    headers = {};
  });

  after(async () => {
    await browser.close();
    server.closeAllConnections();
    server.close();
  });

  /** Resolves when the endpoint has received that many beacons. @param {number} count */
  const waitForBeacons = async (count) => {
    while (beacons.length < count) await new Promise((resolve) => waiting.push(() => resolve(undefined)));
  };

  /**
   * Opens a page that has imported the client, run the script, and been painted.
   * @param {string} script
   */
  const visit = async (script, path = "/product/42?coupon=secret&page=2#top", entry = "/index.js", context = /** @type {Pick<import("playwright-core").Browser, "newPage">} */ (browser)) => {
    const page = await context.newPage();
    /** @type {string[]} */
    const errors = [];
    page.on("pageerror", ({ message }) => errors.push(message));
    await page.goto(origin + path);
    await page.evaluate(async ([script, entry]) => {
      const client = await import(entry);
      Object.assign(globalThis, { client });
      await new (Object.getPrototypeOf(async () => {}).constructor)("client", script)(client);
      // Painted, delivered and handled.
      await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
      await new Promise((resolve) => setTimeout(resolve));
      await new Promise((resolve) => requestIdleCallback(resolve));
    }, [script, entry]);
    return { page, errors };
  };

  const START = `client.start({ endpoint: "/vitals", site: "portal" });`;

  test("a view is one beacon, with integers and without a query", async () => {
    const { page, errors } = await visit(`client.start({ endpoint: "/vitals", site: "portal", release: "r1", dimensions: { plan: "pro" } });`);
    await page.close({ runBeforeUnload: false });
    await waitForBeacons(1);
    const [{ id, age, m, ...rest }] = beacons;
    assert.match(id, /^\d{16,32}$/);
    assert.ok(Number.isInteger(age) && age > 0);
    assert.deepEqual(Object.keys(m).sort(), ["CLS", "FCP", "LCP", "TTFB"]);
    assert.ok(Object.values(m).every(Number.isInteger), JSON.stringify(m));
    assert.deepEqual(
      { v: rest.v, site: rest.site, view: rest.view, seq: rest.seq, nav: rest.nav, path: rest.path, release: rest.release, dim: rest.dim, bot: rest.bot, type: rest.type },
      { v: 1, site: "portal", view: 0, seq: 0, nav: "navigate", path: "/product/42", release: "r1", dim: { plan: "pro" }, bot: 1, type: "text/plain;charset=UTF-8" },
    );
    assert.equal(JSON.stringify(beacons).includes("secret"), false);
    assert.deepEqual(errors, []);
  });

  test("only allowed query parameters leave the page", async () => {
    const { page } = await visit(`client.start({ endpoint: "/vitals", site: "portal", allowQuery: ["page"] });`);
    await page.close();
    await waitForBeacons(1);
    assert.equal(beacons[0].path, "/product/42?page=2");
  });

  test("a declared view is a view of its own", async () => {
    const { page } = await visit(`
      client.start({ endpoint: "/vitals", site: "portal", route: "/product/:id" });
      history.pushState({}, "", "/cart?coupon=secret");
      client.view("/cart");
    `);
    await waitForBeacons(1);
    await page.close();
    await waitForBeacons(2);
    const [load, cart] = beacons;
    assert.deepEqual([load.view, load.path, load.nav, load.route], [0, "/product/42", "navigate", "/product/:id"]);
    assert.deepEqual([cart.view, cart.path, cart.nav, cart.route], [1, "/cart", "view", "/cart"]);
    assert.deepEqual([cart.id, cart.seq], [load.id, 0]);
    assert.deepEqual(Object.keys(cart.m), ["CLS"], "a declared view has no paints");
  });

  test("a declared view that the next one ends has its shifts and not the load's first byte", async () => {
    const { page } = await visit(`
      client.start({ endpoint: "/vitals", site: "portal", route: "/product/:id" });
      client.view("/cart");
      client.view("/checkout");
    `);
    await page.close();
    await waitForBeacons(3);
    assert.deepEqual(beacons.map(({ view, route }) => [view, route]), [[0, "/product/:id"], [1, "/cart"], [2, "/checkout"]]);
    const [, cart, checkout] = beacons;
    assert.deepEqual([cart.m, checkout.m], [{ CLS: 0 }, { CLS: 0 }]);
  });

  for (const entry of ["/index.js", "/start.js"]) {
    test(`a declared view has its own route where soft navigations are not followed (${entry})`, async () => {
      const script = `client.start({ endpoint: "/vitals", site: "portal", route: "/product/:id", reportSoftNavs: false }); client.view("/cart");`;
      const { page } = await visit(script, undefined, entry);
      await page.close();
      await waitForBeacons(2);
      assert.deepEqual(beacons.map(({ view, route }) => [view, route]), [[0, "/product/:id"], [1, "/cart"]]);
    });
  }

  test("a beacon that was refused for now is sent again", async () => {
    answers = [503, 429];
    const { page } = await visit(`${START} client.view("/next");`);
    await waitForBeacons(3);
    assert.deepEqual([beacons[1], beacons[2]], [beacons[0], beacons[0]]);
    await page.close();
  });

  test("beforeSend can drop or change a beacon", async () => {
    const { page } = await visit(`
      client.start({ endpoint: "/vitals", site: "portal", beforeSend: (beacon) => beacon.view ? { ...beacon, path: "/changed" } : null });
      client.view("/next");
    `);
    await page.close();
    await waitForBeacons(1);
    assert.deepEqual([beacons[0].view, beacons[0].path], [1, "/changed"]);
  });

  test("beforeSend runs once for each beacon, not for a retry", async () => {
    answers = [503];
    const { page } = await visit(`
      let asked = 0;
      // A request deferred to the browser is a beacon, too, and withdrawn when the page hides.
      delete globalThis.fetchLater;
      client.start({ endpoint: "/vitals", site: "portal", beforeSend: (beacon) => ({ ...beacon, dim: { asked: String(++asked) } }) });
      client.view("/next");
    `);
    await waitForBeacons(2);
    await page.close();
    await waitForBeacons(3);
    assert.deepEqual(beacons.map(({ view, dim }) => [view, dim.asked]), [[0, "1"], [0, "1"], [1, "2"]]);
  });

  test("an unchanged view is not sent again, a changed one is corrected", async () => {
    const { page } = await visit(START);
    const hide = () =>
      page.evaluate(() => {
        Object.defineProperty(document, "visibilityState", { value: "hidden", configurable: true });
        document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
        Reflect.deleteProperty(document, "visibilityState");
      });
    await hide();
    await hide();
    await waitForBeacons(1);
    await page.click("button");
    await page.evaluate(() => new Promise((resolve) => new PerformanceObserver(resolve).observe({ type: "first-input", buffered: true })));
    await page.close();
    await waitForBeacons(2);
    assert.deepEqual(beacons.map(({ view, seq }) => [view, seq]), [[0, 0], [0, 1]]);
    assert.deepEqual(Object.keys(beacons[1].m).filter((name) => !(name in beacons[0].m)), ["INP"], "the first input after the page was hidden counts only for INP");
  });

  test("a beacon has every value, however many events wait", async () => {
    const { page } = await visit(`
      globalThis.sent = [];
      delete globalThis.fetchLater;
      client.start({ endpoint: "/vitals", site: "portal", beforeSend: (beacon) => (sent.push(beacon), beacon) });
    `, "/", "/start.js");
    const sent = await page.evaluate(async () => {
      dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }));
      await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(resolve))));
      for (let count = 1; count <= 110; count += 1) {
        // After a restore, each of these is an event for the client.
        for (let index = 0; index < count; index += 1) document.body.dispatchEvent(new MouseEvent("mousedown", { bubbles: true, cancelable: true }));
        dispatchEvent(new PageTransitionEvent("pagehide"));
      }
      return /** @type {any} */ (globalThis).sent;
    });
    const restored = sent.filter((/** @type {any} */ { view }) => view === 1);
    assert.deepEqual([...new Set(restored.map((/** @type {any} */ { m }) => Object.keys(m).join(" ")))], ["FCP LCP FID TTFB"]);
    await page.close();
  });

  test("a soft navigation is a view of its own", async () => {
    const { page } = await visit(`client.start({ endpoint: "/vitals", site: "portal", reportSoftNavs: true });`);
    await page.evaluate(() => {
      document.querySelector("button")?.addEventListener("click", () => {
        history.pushState({}, "", "/soft/1?coupon=secret");
        const [heading] = document.getElementsByTagName("h1");
        heading.outerHTML = `<h1>Another view</h1><p>${"Words and more words. ".repeat(20)}</p>`;
      });
    });
    const softNavigation = page.evaluate(() => new Promise((resolve) => new PerformanceObserver(() => resolve(0)).observe({ type: "soft-navigation" })));
    await page.click("button");
    await softNavigation;
    await waitForBeacons(1);
    await page.close();
    await waitForBeacons(2);
    const [load, soft] = beacons;
    assert.deepEqual([load.view, load.nav, load.path], [0, "navigate", "/product/42"]);
    assert.deepEqual([soft.view, soft.nav, soft.path, soft.id, soft.seq], [1, "soft-navigation", "/soft/1", load.id, 0]);
    assert.ok(soft.m.FCP > 0 && soft.m.LCP > 0 && soft.m.TTFB === 0, JSON.stringify(soft.m));
  });

  test("the build with a separate module measures and counts as well", async () => {
    const { page, errors } = await visit(START, "/", "/separate.js");
    await page.close();
    await waitForBeacons(1);
    assert.deepEqual([beacons.length, Object.keys(beacons[0].m).sort(), errors], [1, ["CLS", "FCP", "LCP", "TTFB"], []]);
  });

  test("beacons carry attribution without callbacks", async () => {
    const { page, errors } = await visit(START, "/", "/start-attribution.js");
    await page.close();
    await waitForBeacons(1);
    const [{ m, a }] = beacons;
    assert.deepEqual(Object.keys(m).sort(), ["CLS", "FCP", "LCP", "TTFB"]);
    assert.equal(a.LCP.target, "html>body>h1");
    assert.ok(a.LCP.elementRenderDelay > 0 && a.TTFB.requestDuration > 0 && a.FCP.firstByteToFCP > 0, JSON.stringify(a));
    assert.deepEqual(errors, []);
  });

  for (const entry of ["/index.js", "/start.js"]) {
    test(`beacons carry the edge's cache status and page token, unless the browser's own cache repeats them (${entry})`, async () => {
      headers = { "server-timing": "origin;dur=3, edge;desc=hit;dur=1, evidence;desc=6b49d200", "cache-control": "max-age=60" };
      const context = await browser.newContext();
      for (const expected of ["hit", undefined]) {
        beacons = [];
        const { page } = await visit(START, `/cached${entry}.html`, entry, context);
        const fromCache = await page.evaluate(
          () => /** @type {PerformanceNavigationTiming} */ (performance.getEntriesByType("navigation")[0]).transferSize === 0,
        );
        assert.equal(fromCache, expected === undefined);
        await page.close();
        await waitForBeacons(1);
        assert.deepEqual([beacons[0].cache, beacons[0].e], [expected, expected && "6b49d200"]);
      }
      await context.close();
    });
  }

  test("a callback gets the page's limit and the verdict of this visit", async () => {
    const page = await browser.newPage();
    await page.goto(origin);
    const results = await page.evaluate(async () => {
      const client = await import(/** @type {any} */ ("/index.js"));
      /** @param {object} [options] */
      const reported = (options) =>
        new Promise((resolve) => client.onFCP((/** @type {any} */ { value, budget, withinBudget }) => resolve([value, budget, withinBudget]), options));
      const [value] = await reported();
      return [
        await reported(),
        await reported({ limits: { LCP: { max: 1 } } }),
        await reported({ limits: { FCP: { max: Math.ceil(value) } } }),
        await reported({ limits: { FCP: { max: Math.ceil(value) - 1 } } }),
      ].map(([repeated, budget, within]) => [repeated === value, budget === undefined ? budget : budget - Math.ceil(value), within]);
    });
    assert.deepEqual(results, [[true, undefined, undefined], [true, undefined, undefined], [true, 0, true], [true, -1, false]]);
    await page.close();
  });

  for (const [name, script] of [
    ["without consent", `client.start({ endpoint: "/vitals", site: "portal", consent: () => false });`],
    ["against Global Privacy Control", `Object.defineProperty(navigator, "globalPrivacyControl", { value: true }); ${START}`],
    ["after the client is stopped", `client.start({ endpoint: "/vitals", site: "portal" })();`],
    ["for a page load outside the sample", `Math.random = () => 0.6; client.start({ endpoint: "/vitals", site: "portal", sample: 2 });`],
  ]) {
    test(`nothing is sent ${name}`, async () => {
      const { page, errors } = await visit(script);
      await page.close();
      // Another view, sent after the first one's time.
      const other = await visit(`client.start({ endpoint: "/vitals", site: "other" });`);
      await other.page.close();
      await waitForBeacons(1);
      assert.deepEqual(beacons.map(({ site }) => site), ["other"]);
      assert.deepEqual(errors, []);
    });
  }

  test("a subscription beyond the limit is an error on the console", async () => {
    const page = await browser.newPage();
    /** @type {string[]} */
    const errors = [];
    page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
    await page.goto(origin);
    const reported = await page.evaluate(async () => {
      const { onFCP } = await import(/** @type {any} */ ("/index.js"));
      let reported = 0;
      for (let count = 0; count < 70; count += 1) onFCP(() => (reported += 1));
      // Every observer has been called by then: it is the last.
      await new Promise((resolve) => new PerformanceObserver(() => requestIdleCallback(resolve)).observe({ type: "paint", buffered: true }));
      return reported;
    });
    assert.equal(reported, 64);
    assert.deepEqual(errors.filter((text) => text.includes("more than 64 live subscriptions")).length, 6);
    await page.close();
  });

  test("after a trap the client is silent, and the view counts as lost", async () => {
    const page = await browser.newPage();
    /** @type {string[]} */
    const errors = [];
    page.on("pageerror", ({ message }) => errors.push(message));
    await page.addInitScript(() => {
      WebAssembly.Instance = /** @type {any} */ (
        class {
          exports = {
            handle() {
              throw new WebAssembly.RuntimeError("unreachable");
            },
          };
        }
      );
    });
    await page.goto(origin);
    await page.evaluate(async () => {
      const { start } = await import(/** @type {any} */ ("/index.js"));
      start({ endpoint: "/vitals", site: "portal" });
    });
    await page.close();
    await waitForBeacons(1);
    assert.deepEqual([beacons[0].lost, beacons[0].m], ["trap", {}]);
    assert.deepEqual(errors, []);
  });

  test("a stopped subscription reports no more and leaves no listener", async () => {
    const page = await browser.newPage();
    await page.addInitScript(() => {
      const listening = new Set();
      const add = globalThis.addEventListener;
      globalThis.addEventListener = /** @type {any} */ (
        (/** @type {string} */ type, /** @type {any} */ then, /** @type {any} */ options) => {
          const signal = options?.signal;
          if (signal) {
            const key = {};
            listening.add(key);
            signal.addEventListener("abort", () => listening.delete(key));
          }
          add.call(globalThis, type, then, options);
        }
      );
      let observing = 0;
      const { observe, disconnect } = PerformanceObserver.prototype;
      const active = new Set();
      PerformanceObserver.prototype.observe = function (options) {
        active.add(this);
        observing = active.size;
        observe.call(this, options);
      };
      PerformanceObserver.prototype.disconnect = function () {
        active.delete(this);
        observing = active.size;
        disconnect.call(this);
      };
      Object.assign(globalThis, { left: () => [listening.size, observing] });
    });
    await page.goto(origin);
    const reported = await page.evaluate(async () => {
      const client = await import(/** @type {any} */ ("/index.js"));
      let reported = 0;
      // More than the slots at any time: stopped subscriptions free theirs.
      for (let round = 0; round < 100; round++) {
        const stops = ["CLS", "FCP", "FID", "INP", "LCP", "TTFB"].map((name) =>
          client[`on${name}`](() => reported++, { reportAllChanges: true }),
        );
        for (const stop of stops) stop();
      }
      let last = 0;
      await new Promise((resolve) => client.onTTFB(() => resolve(last++)));
      return [reported, last];
    });
    assert.deepEqual(reported, [0, 1]);
    const [listeners, observers] = /** @type {number[]} */ (await page.evaluate(() => /** @type {any} */ (globalThis).left()));
    assert.ok(listeners <= 6 && observers <= 1, `${listeners} listeners and ${observers} observers for one live subscription`);
    await page.close();
  });

  test("importing the client on a server does nothing", async () => {
    const client = await import(new URL("index.js", dist).href);
    client.start({ endpoint: "/vitals", site: "portal" })();
    client.view("/somewhere");
    for (const name of ["CLS", "FCP", "FID", "INP", "LCP", "TTFB"]) client[`on${name}`](() => assert.fail())();
    const attributed = await import(new URL("attribution.js", dist).href);
    attributed.onINP(() => assert.fail())();
    for (const entry of ["attribution", "separate", "start", "start-attribution"]) {
      const { start, view } = await import(new URL(`${entry}.js`, dist).href);
      start({ endpoint: "/vitals", site: "portal" })();
      view("/somewhere");
    }
  });
});
