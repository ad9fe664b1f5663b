//! Attribution equals that of web-vitals to the last digit, on one page load with an image, a shift and
//! slow clicks; and the beacon carries it without typed text or query strings.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { test } from "node:test";
import { chromium } from "playwright-core";

const root = new URL("../../", import.meta.url);
const FILES = /** @type {Record<string, string>} */ ({
  "/ours.js": "pkg/dist/attribution.js",
  "/theirs.js": "node_modules/web-vitals/dist/web-vitals.attribution.js",
  "/fid.js": "node_modules/fid-oracle/dist/web-vitals.attribution.js",
});
const PAGE = `<!doctype html><title>page</title>
<main><p class="lead intro">Text</p><img class="hero big" src="/hero.svg?token=secret"><button id="press">Press</button><input name="card"></main>
<script type="module">
  import * as ours from "/ours.js";
  import * as vitals from "/theirs.js";
  import { onFID } from "/fid.js";
  const theirs = { ...vitals, onFID };
  globalThis.reports = [];
  for (const name of ["CLS", "FCP", "FID", "INP", "LCP", "TTFB"]) {
    for (const [side, library] of Object.entries({ ours, theirs })) {
      library["on" + name]((metric) => reports.push([side, name, metric]), { includeProcessedEventEntries: true });
    }
  }
  ours.start({ endpoint: "/vitals", site: "portal" });
  press.onclick = () => {
    const until = performance.now() + 90;
    while (performance.now() < until);
    press.textContent = "Pressed";
  };
</script>`;

// Chromium ignores an image with too few bytes for its area.
const HERO = `<svg xmlns="http://www.w3.org/2000/svg" width="600" height="400"><!--${"x".repeat(4000)}--><path fill="teal" d="M0 0h600v400H0z"/></svg>`;

test("attribution equals that of web-vitals", async () => {
  /** @type {(beacon: any) => void} */
  let arrived;
  const beacon = new Promise((resolve) => (arrived = resolve));
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://page");
    if (request.method === "POST") {
      let body = "";
      for await (const part of request) body += part;
      response.writeHead(204).end();
      arrived(JSON.parse(body));
    } else if (pathname === "/hero.svg") {
      response
        .writeHead(200, { "content-type": "image/svg+xml" })
        .end(HERO);
    } else if (FILES[pathname]) {
      response.writeHead(200, { "content-type": "text/javascript" }).end(await readFile(new URL(FILES[pathname], root)));
    } else {
      response.writeHead(200, { "content-type": "text/html" }).end(PAGE);
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"],
  });
  try {
    const page = await browser.newPage();
    await page.goto(`http://localhost:${port}/`);
    const settle = () =>
      page.evaluate(async () => {
        await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
        await new Promise((resolve) => setTimeout(resolve));
        await new Promise((resolve) => requestIdleCallback(resolve));
      });
    await settle();
    await page.evaluate(() => document.querySelector("main")?.prepend(document.createElement("hr")));
    await settle();
    await page.click("#press");
    await settle();
    await page.type("input", "4111");
    await settle();
    const results = await page.evaluate(() => {
      Object.defineProperty(document, "visibilityState", { value: "hidden" });
      document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
      /** @param {any} value @returns {unknown} */
      const plain = (value) => {
        if (value instanceof PerformanceEntry) return `${value.entryType} ${value.name} ${value.startTime}`;
        if (Array.isArray(value)) return value.map(plain);
        if (value?.node) return "a source";
        if (value && typeof value === "object") {
          // A missing value is undefined.
          return Object.fromEntries(Object.keys(value).sort().map((key) => [key, plain(value[key])]));
        }
        return value;
      };
      /** @type {any[]} */
      const reports = /** @type {any} */ (globalThis).reports;
      return ["CLS", "FCP", "FID", "INP", "LCP", "TTFB"].map((name) => {
        const [ours, theirs] = ["ours", "theirs"].map((side) =>
          JSON.stringify(reports.filter((report) => report[0] === side && report[1] === name).map((report) => plain(report[2].attribution))),
        );
        return { name, ours, theirs };
      });
    });
    for (const { name, ours, theirs } of results) {
      assert.notEqual(theirs, "[]", `${name} was not reported`);
      assert.equal(ours, theirs, name);
    }
    const { a } = await beacon;
    assert.equal(a.LCP.target, "html>body>main>img.big.hero");
    assert.equal(a.LCP.url, `http://localhost:${port}/hero.svg`);
    assert.equal(a.INP.interactionTarget, "#press");
    assert.equal(JSON.stringify(a).includes("secret") || JSON.stringify(a).includes("4111"), false);
    for (const [name, reason] of Object.entries(a)) {
      for (const value of Object.values(reason)) {
        assert.ok(typeof value === "string" || Number.isInteger(value), `${name}: ${JSON.stringify(reason)}`);
      }
    }
  } finally {
    await browser.close();
    server.closeAllConnections();
    server.close();
  }
});
