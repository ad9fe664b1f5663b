//! The client where the browser refuses WebAssembly: it measures with the module's JavaScript form, which it fetches
//! only then. tests/parity/fallback.test.mjs checks the values.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { after, before, beforeEach, describe, test } from "node:test";
import { chromium } from "playwright-core";

const dist = new URL("../../pkg/dist/", import.meta.url);
const STRICT = "default-src 'self'; script-src 'self' 'nonce-run'";
const LOAD = ["CLS", "FCP", "LCP", "TTFB"];

describe("where WebAssembly is refused", () => {
  /** @type {import("playwright-core").Browser} */
  let browser;
  /** @type {import("node:http").Server} */
  let server;
  /** @type {string} */
  let origin;
  /** The received beacons. @type {any[]} */
  let beacons = [];
  /** The files that pages have fetched. @type {string[]} */
  let fetched = [];
  /** Called for each request. @type {(() => void)[]} */
  let waiting = [];
  /** Held responses of a JavaScript form. @type {Promise<number> | undefined} */
  let held;

  before(async () => {
    server = createServer(async (request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? "/", "http://page");
      if (request.method === "POST") {
        let body = "";
        for await (const part of request) body += part;
        beacons.push(JSON.parse(body));
        response.writeHead(204).end();
      } else if (/\.(js|wasm)$/.test(pathname)) {
        fetched.push(pathname);
        const status = pathname.endsWith("fallback.js") ? ((await held) ?? 200) : 200;
        const type = pathname.endsWith(".js") ? "text/javascript" : "application/wasm";
        response.writeHead(status, { "content-type": type }).end(await readFile(new URL(`.${pathname}`, dist)));
      } else {
        const policy = searchParams.get("policy") ?? STRICT;
        const script = searchParams.get("script");
        response
          .writeHead(200, { "content-type": "text/html", ...(policy && { "content-security-policy": policy }) })
          .end(`<!doctype html><title>page</title><link rel="icon" href="data:,"><h1>Hello</h1>${script ?? ""}`);
      }
      for (const wake of waiting.splice(0)) wake();
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
    origin = `http://localhost:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}`;
    browser = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"],
    });
  });

  beforeEach(() => {
    [beacons, fetched, waiting, held] = [[], [], [], undefined];
  });

  after(async () => {
    await browser.close();
    server.closeAllConnections();
    server.close();
  });

  /** Resolves when the server has received what is expected. @param {() => boolean} isThere */
  const until = async (isThere) => {
    while (!isThere()) await new Promise((resolve) => waiting.push(() => resolve(undefined)));
  };

  const fallbacks = () => fetched.filter((path) => path.endsWith("fallback.js"));

  /** The script of a page that sends beacons. @param {string} entry @param {string} [more] */
  const starting = (entry, more = "") =>
    `<script type="module" nonce="run">import * as client from "/${entry}.js"; globalThis.client = client; client.start({ endpoint: "/vitals", site: "portal" }); ${more}</script>`;

  /** Opens a page with a script. @param {string} script @param {string} [policy] @param {string} [before] */
  const visit = async (script, policy = STRICT, before) => {
    const page = await browser.newPage();
    /** @type {string[][]} */
    const [errors, warnings] = [[], []];
    page.on("pageerror", ({ message }) => errors.push(message));
    page.on("console", (message) => message.type() === "warning" && warnings.push(message.text()));
    if (before) await page.addInitScript(before);
    await page.goto(`${origin}/?${new URLSearchParams({ policy, script })}`);
    // Painted, delivered and handled.
    const settle = () => page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => requestIdleCallback(resolve))))));
    await settle();
    return { page, errors, warnings, settle };
  };

  /** Waits for the JavaScript form that an entry fetches: the page has it once. @param {import("playwright-core").Page} page @param {string} entry */
  const arrived = (page, entry) => page.evaluate((file) => import(file), `/${entry === "start" ? "start-" : ""}fallback.js`);

  for (const entry of ["index", "start", "start-attribution", "separate"]) {
    test(`${entry}.js measures under a strict policy`, async () => {
      const { page, errors, settle } = await visit(starting(entry));
      await until(() => fallbacks().length > 0);
      await arrived(page, entry);
      await settle();
      await page.close();
      await until(() => beacons.length > 0);
      const [{ lost, m }] = beacons;
      assert.deepEqual([lost, Object.keys(m).sort(), fallbacks().length], [undefined, LOAD, 1]);
      assert.deepEqual(errors, []);
    });
  }

  test("a policy with wasm-unsafe-eval fetches nothing more", async () => {
    for (const entry of ["index", "start"]) {
      const { page } = await visit(starting(entry), `${STRICT} 'wasm-unsafe-eval'`);
      await page.close();
    }
    await until(() => beacons.length === 2);
    assert.deepEqual([beacons.map(({ m }) => Object.keys(m).sort()), fallbacks()], [[LOAD, LOAD], []]);
  });

  test("a browser without WebAssembly is measured, too", async () => {
    for (const entry of ["index", "start"]) {
      const { page, settle } = await visit(starting(entry), "", "delete globalThis.WebAssembly");
      await arrived(page, entry);
      await settle();
      await page.close();
    }
    await until(() => beacons.length === 2);
    assert.deepEqual(beacons.map(({ lost, m }) => [lost, Object.keys(m).sort()]), [[undefined, LOAD], [undefined, LOAD]]);
  });

  for (const entry of ["index", "attribution"]) {
    test(`the callbacks of ${entry}.js come, are told of the refusal, and the console says so once`, async () => {
      const { page, errors, warnings } = await visit(`<script type="module" nonce="run">
        import * as client from "/${entry}.js";
        Object.assign(globalThis, { reasons: [], reported: new Set() });
        const onRefused = (reason) => reasons.push(reason);
        for (const name of ["CLS", "FCP", "LCP", "TTFB"]) client["on" + name](({ name }) => reported.add(name), { onRefused, reportAllChanges: true });
        client.onFCP(() => reported.add("stopped"))();
      </script>`);
      await page.waitForFunction(() => /** @type {any} */ (globalThis).reported?.size >= 4);
      assert.deepEqual(await page.evaluate(() => [.../** @type {any} */ (globalThis).reported].sort()), LOAD);
      assert.deepEqual(await page.evaluate(() => /** @type {any} */ (globalThis).reasons), ["csp"]);
      assert.deepEqual(warnings.filter((text) => text.startsWith("edge-vitals")), ["edge-vitals measures without WebAssembly: csp"]);
      assert.deepEqual([errors, fallbacks()], [[], ["/fallback.js"]]);
      await page.close();
    });
  }

  test("the classic script measures, too", async () => {
    const { page } = await visit(`<script nonce="run" src="/iife.js"></script><script nonce="run">reported = []; edgeVitals.onFCP(({ name }) => reported.push(name))</script>`);
    await page.waitForFunction(() => /** @type {any} */ (globalThis).reported.length === 1);
    await page.close();
  });

  for (const entry of ["index", "start"]) {
    test(`a page that ${entry}.js finds hidden before the JavaScript form is there counts as lost, and is corrected later`, async () => {
      /** @type {(status: number) => void} */
      let open = () => {};
      held = new Promise((resolve) => (open = resolve));
      const { page, settle } = await visit(starting(entry));
      const turn = (/** @type {string} */ state) =>
        page.evaluate((state) => {
          Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
          document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
          Reflect.deleteProperty(document, "visibilityState");
        }, state);
      await turn("hidden");
      await until(() => beacons.length > 0);
      assert.deepEqual([beacons[0].lost, beacons[0].m, beacons[0].seq], ["csp", {}, 0]);
      open(200);
      await arrived(page, entry);
      await settle();
      await page.close();
      await until(() => beacons.length > 1);
      const { lost, m, seq, view } = beacons[1];
      assert.deepEqual([lost, Object.keys(m).sort(), seq, view], [undefined, LOAD, 1, 0]);
    });

    test(`a view declared before the JavaScript form is there follows the page load in ${entry}.js`, async () => {
      /** @type {(status: number) => void} */
      let open = () => {};
      held = new Promise((resolve) => (open = resolve));
      const { page, settle } = await visit(starting(entry, `client.view("/next");`));
      open(200);
      await arrived(page, entry);
      await settle();
      await page.close();
      await until(() => beacons.length > 1);
      assert.deepEqual(beacons.map(({ view, route, lost }) => [view, route, lost]), [[0, undefined, undefined], [1, "/next", undefined]]);
      assert.ok(beacons[0].m.FCP > 0 && beacons[1].m.FCP === undefined, JSON.stringify(beacons));
    });
  }

  test("without its JavaScript form the client is silent, and the view counts as lost", async () => {
    held = Promise.resolve(404);
    for (const entry of ["index", "start"]) {
      const { page, errors, settle } = await visit(starting(entry));
      await until(() => fallbacks().length > 0);
      await settle();
      await page.close();
      assert.deepEqual(errors, []);
    }
    await until(() => beacons.length === 2);
    assert.deepEqual(beacons.map(({ lost, m }) => [lost, m]), [["csp", {}], ["csp", {}]]);
  });
});
