//! The package as a user gets it: packed, installed from the tarball, built by each bundler, opened in
//! Chromium, with its visits counted by the real Worker. What the client measures and sends is the
//! business of tests/parity and tests/browser.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { cp, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { createTestHarness } from "wrangler";
import { DEVICES, launch } from "../browser/chromium.mjs";
import { serve as serveWorker } from "../product.mjs";
import { build, DEVELOPED, develop, filesWith, install, PROJECTS, ROOM, run, serve, shipped, tarball } from "./projects.mjs";

/** The compiler of this project. */
const TSC = join(import.meta.dirname, "../../node_modules/.bin/tsc");

describe("the packed package", () => {
  /** @type {import("playwright-core").Browser} */
  let browser;
  /** @type {Awaited<ReturnType<typeof serveWorker>>} */
  let worker;
  /** @type {string[]} */
  const sizes = [];

  before(async () => {
    const packed = await install();
    assert.deepEqual(packed.files.map((/** @type {{ path: string }} */ { path }) => path).filter((/** @type {string} */ path) => /\btests?\b|prepack/.test(path)), [], "files that no user needs");
    sizes.push(row("the tarball", packed.size, packed.unpackedSize, "packed and unpacked"));
    browser = await launch("desktop");
    worker = await serveWorker({ SITES: { portal: { origins: ["*"], public: true } } });
  });

  after(async () => {
    await browser?.close();
    await worker?.close();
    console.log(`\n${sizes.join("\n")}\n`);
  });

  test("publint finds no problem", async () => {
    await run(["publint", "run", join(ROOM, "node_modules/edge-vitals"), "--strict", "--pack", "npm"], ROOM);
  });

  test("each entry's types are found by Node's and by the bundlers' rules", async () => {
    // The module and the classic script have no types, and CommonJS reaches ESM by `import()` only.
    await run(["attw", tarball(), "--profile", "esm-only", "--exclude-entrypoints", "client.wasm", "iife.js", "--no-emoji"], ROOM);
  });

  for (const project of PROJECTS) {
    test(`a visit to a page built by ${project.name} is counted`, { timeout: 180_000 }, async () => {
      await build(project);
      const clients = project.output ? await shipped(project) : [];
      const copies = clients.reduce((sum, { copies }) => sum + copies, 0);
      assert.equal(copies, project.copies, `copies of the module in ${clients.map(({ file }) => file).join(", ")}`);
      assert.deepEqual(project.output ? await filesWith(project, DEVELOPMENT_TOOLS) : [], [], "what is for developers is in a production build");
      for (const { file, bytes } of clients) sizes.push(row(project.name, bytes.length, gzipSync(bytes).length, brotliCompressSync(bytes).length, file));

      const { views: before } = await worker.summary("site=portal&navigations=all");
      const site = await serve(project, worker.origin);
      try {
        const views = [];
        for (const { path, clicks, expect, isMissing } of project.layers[0] === "next" ? nextVisits(project) : VISIT) {
          await visit(site.origin + path, clicks, clients.map(({ file }) => basename(file)), isMissing);
          await site.hears((beacons) => expect.every((view) => beacons.some((beacon) => is(beacon, view))));
          views.push(...expect);
        }
        assert.deepEqual([...new Set(site.heard.map(({ status }) => status))], [200], JSON.stringify(site.heard));
        const told = new Set(site.heard.map(({ beacon }) => `${beacon.id} ${beacon.view}`));
        assert.equal(told.size, views.length, `one view each: ${JSON.stringify(site.heard.map(({ beacon }) => beacon))}`);
        assert.equal((await worker.summary("site=portal&navigations=all")).views - before, views.length);
      } finally {
        await site.close();
      }
    });
  }

  test("a visit that is closed before hydration is counted, in both routers", { timeout: 180_000 }, async () => {
    const [project] = PROJECTS;
    await build(project);
    const site = await serve(project, worker.origin);
    try {
      for (const path of ["/", "/legacy"]) {
        const context = await browser.newContext(DEVICES.desktop);
        const page = await context.newPage();
        // React's scheduler posts itself messages; without them nothing is hydrated.
        await page.addInitScript(() => {
          MessagePort.prototype.postMessage = () => {};
        });
        await page.goto(site.origin + path, { waitUntil: "load" });
        const isHydrated = await page.evaluate(() => Object.keys(document.querySelector("h1") ?? {}).some((key) => key.startsWith("__react")));
        await page.goto("about:blank");
        assert.equal(isHydrated, false);
        await site.hears((beacons) => beacons.some((beacon) => beacon.path === path && beacon.nav === "navigate" && beacon.m.FCP > 0 && beacon.route === undefined));
        await context.close();
      }
      assert.equal(site.heard.length, 2, JSON.stringify(site.heard));
    } finally {
      await site.close();
    }
  });

  test("a document pushed to a Next.js route is verified and stored once, and refused without the backend's secret", { timeout: 180_000 }, async () => {
    const [project] = PROJECTS;
    await build(project);
    const secret = "an example secret of 32 bytes...";
    const push = async (/** @type {Awaited<ReturnType<typeof serve>>} */ site, /** @type {string} */ secret) => {
      const t = Math.floor(Date.now() / 1000);
      const key = "portal.hour.1800000000000.0";
      const v1 = createHmac("sha256", secret).update(`edge-vitals.v1\n${t}\n2027-01\n${key}\n{}`).digest("hex");
      const headers = { "idempotency-key": key, "edge-vitals-signature": `t=${t},k=2027-01,v1=${v1}` };
      const answer = await fetch(`${site.origin}/backend/vitals`, { method: "POST", headers, body: "{}" });
      return [answer.status, await answer.json().catch(() => undefined)];
    };
    const site = await serve({ ...project, env: { EDGE_VITALS_SECRET: secret } }, worker.origin);
    try {
      assert.deepEqual(await push(site, secret), [200, { stored: true }]);
      assert.deepEqual(await push(site, secret), [200, { stored: false }]);
      assert.deepEqual(await push(site, secret.toUpperCase()), [401, { error: "the signature does not match the body" }]);
    } finally {
      await site.close();
    }
    const careless = await serve(project, worker.origin);
    try {
      for (const guess of [secret, "x"]) assert.equal((await push(careless, guess))[0], 500);
    } finally {
      await careless.close();
    }
  });

  test("useVitals reports once with attribution, in StrictMode, through renders, fast refresh and remounts", { timeout: 180_000 }, async () => {
    await build(DEVELOPED);
    const source = join(ROOM, DEVELOPED.name, "app/reports/reports.jsx");
    const before = await readFile(source, "utf8");
    const site = await develop(DEVELOPED, worker.origin);
    const context = await browser.newContext(DEVICES.desktop);
    try {
      const page = await context.newPage();
      page.setDefaultTimeout(60_000);
      // An edit that the page is not told of refreshes nothing: the server greets who listens.
      const listens = page.waitForEvent("websocket").then((socket) => socket.waitForEvent("framereceived"));
      await page.goto(`${site.origin}/reports`);
      const reports = () => page.evaluate(() => /** @type {any} */ (globalThis).reports ?? []);
      const reported = (/** @type {string} */ name) => page.waitForFunction((name) => /** @type {any} */ (globalThis).reports?.some((/** @type {any} */ report) => report.name === name), name);
      await reported("TTFB");
      await reported("FCP");
      for (let renders = 1; renders <= 3; renders += 1) {
        await page.locator("[data-render]").click();
        await page.getByText(`Rendered ${renders}`).waitFor();
      }
      // The click has made LCP final.
      await reported("LCP");

      await listens;
      await writeFile(source, before.replace("<h1>Reports</h1>", "<h1>Refreshed</h1>"));
      await page.getByRole("heading", { name: "Refreshed" }).waitFor();
      await page.getByText("Rendered 3").waitFor();

      await page.locator("[data-late]").click();
      await page.waitForFunction(() => /** @type {any} */ (globalThis).late?.length >= 3);
      const late = await page.evaluate(() => /** @type {any} */ (globalThis).late);
      assert.ok(late.every((/** @type {any} */ report) => report.delta === report.value), "who comes late has the whole value as its delta");
      assert.deepEqual(count(late), Object.fromEntries(late.map((/** @type {any} */ report) => [report.name, 1])));

      const all = await reports();
      const once = all.filter((/** @type {any} */ { name }) => ["FCP", "LCP", "TTFB", "FID"].includes(name));
      assert.deepEqual(count(once), { FCP: 1, FID: 1, LCP: 1, TTFB: 1 });
      const lcp = once.find((/** @type {any} */ { name }) => name === "LCP");
      assert.match(lcp.attribution.target, /h1|p|a|button/, JSON.stringify(lcp));
    } finally {
      await context.close();
      await site.close();
      await writeFile(source, before);
    }
  });

  test("in development, an overlay shows metrics beside their budgets, and the console has one table per page", { timeout: 180_000 }, async () => {
    await build(DEVELOPED);
    const site = await develop(DEVELOPED, worker.origin);
    const context = await browser.newContext(DEVICES.desktop);
    try {
      const page = await context.newPage();
      page.setDefaultTimeout(60_000);
      /** @type {string[]} */
      const tables = [];
      const printed = new Promise((resolve) => {
        page.on("console", async (message) => {
          if (message.type() !== "table") return;
          tables.push(JSON.stringify(await message.args()[0].jsonValue()));
          resolve(undefined);
        });
      });
      await page.goto(site.origin);
      const overlay = page.getByRole("region", { name: "Web vitals of this page" });
      const row = (/** @type {string} */ name) => overlay.locator(`[data-metric=${name}] td`);
      await row("LCP").first().filter({ hasText: /\d ms/ }).waitFor();
      await row("LCP").last().filter({ hasText: "≤ 2000 ms" }).waitFor();
      await row("CLS").last().filter({ hasText: "≤ 0.100" }).waitFor();
      await page.getByRole("heading").first().click();
      await row("INP").last().filter({ hasText: "≤ 200 ms" }).waitFor();
      await printed;
      const lines = JSON.parse(tables[0]);
      assert.equal(lines.TTFB.limit, "≤ 800 ms");
      assert.match(lines.LCP.cause, /\w/);
      // Another view of the router's is the same page load.
      await page.getByRole("link", { name: "Product", exact: true }).click();
      await page.getByRole("heading", { name: "Product 42" }).waitFor();
      await overlay.getByRole("button", { name: "Close web vitals" }).click();
      await overlay.waitFor({ state: "detached" });
      assert.equal(tables.length, 1);
    } finally {
      await context.close();
      await site.close();
    }
  });

  test("a bundler keeps the development tools out of production builds", async () => {
    const folder = join(ROOM, "plain");
    await writeFile(join(folder, "view.js"), 'import { start } from "edge-vitals/start";\nstart({ endpoint: "/v1/vitals", site: "portal" });\nif (process.env.NODE_ENV !== "production") import("edge-vitals/development").then(({ overlay, table }) => [overlay(), table()]);\n');
    for (const [kind, isThere] of /** @type {const} */ ([["production", false], ["development", true]])) {
      const built = await run(["esbuild", "view.js", "--bundle", "--minify", "--format=esm", `--define:process.env.NODE_ENV="${kind}"`], folder);
      assert.equal(DEVELOPMENT_TOOLS.test(built), isThere, kind);
    }
  });

  test("each entry can be imported on a server, and does nothing there", async () => {
    const entries = ["edge-vitals/development", "edge-vitals", "edge-vitals/start", "edge-vitals/separate", "edge-vitals/attribution", "edge-vitals/react", "edge-vitals/next", "edge-vitals/next/attribution", "edge-vitals/next/client", "edge-vitals/next/route", "edge-vitals/cache", "edge-vitals/backend"];
    const script = `
      const all = await Promise.all(${JSON.stringify(entries)}.map((entry) => import(entry)));
      for (const { start, view, onLCP, overlay, table, register } of all) {
        register?.({ site: "portal" });
        overlay?.()();
        table?.()();
        start?.({ endpoint: "/v1/vitals", site: "portal" })();
        view?.("/");
        onLCP?.(() => {})();
      }
      console.log(all.length);`;
    assert.equal((await run(["node", "--input-type=module", "--eval", script], join(ROOM, "plain"))).trim(), String(entries.length));
  });

  test("workerd imports the client, and nothing happens there", async () => {
    const root = join(ROOM, "workerd");
    await cp(join(import.meta.dirname, "projects/workerd"), root, { recursive: true });
    const harness = createTestHarness({ root, workers: [{ configPath: "wrangler.json" }] });
    try {
      const { url } = await harness.listen();
      assert.equal(await (await fetch(url)).text(), "function,function");
    } finally {
      await harness.close();
    }
  });

  test("the types compile in the strictest settings, by Node's rules and by the bundlers'", async () => {
    const folder = join(ROOM, "types");
    await cp(join(import.meta.dirname, "projects/types"), folder, { recursive: true });
    await run([TSC, "--project", folder], folder);
    // And with an older compiler, which another tool has brought.
    await run([join(ROOM, "node_modules/typescript/bin/tsc"), "--project", folder, "--module", "esnext", "--moduleResolution", "bundler"], folder);
  });

  test("the cache handlers are those that Next.js declares", async () => {
    const folder = join(ROOM, "next-types");
    await cp(join(import.meta.dirname, "projects/next-types"), folder, { recursive: true });
    // Next.js's own declarations do not compile in the strictest settings.
    const compilerOptions = { types: ["node"], typeRoots: [join(import.meta.dirname, "../../node_modules/@types")], exactOptionalPropertyTypes: true };
    await writeFile(join(folder, "tsconfig.json"), JSON.stringify({ extends: join(import.meta.dirname, "../../tsconfig.json"), compilerOptions, include: ["*"] }));
    await run([TSC, "--project", folder], folder);
  });

  test("the sources for frameworks and backends are type-checked against the installed versions", async () => {
    const settings = join(ROOM, "sources.json");
    const pkg = join(import.meta.dirname, "../../pkg");
    await writeFile(
      settings,
      JSON.stringify({
        extends: join(import.meta.dirname, "../../tsconfig.json"),
        compilerOptions: {
          types: ["node"],
          typeRoots: [join(import.meta.dirname, "../../node_modules/@types")],
          paths: { react: [join(ROOM, "node_modules/@types/react/index.d.ts")], "next/*": [join(ROOM, "node_modules/next/*")] },
        },
        include: [join(pkg, "frontend"), join(pkg, "backend")],
      }),
    );
    await run([TSC, "--project", settings], ROOM);
  });

  test("the package contains its licence and only published files", async () => {
    const own = await readFile(join(ROOM, "node_modules/edge-vitals/LICENSE"), "utf8");
    assert.equal(own, await readFile(join(import.meta.dirname, "../../LICENSE"), "utf8"));
    const said = await run(["npm", "publish", "--dry-run", "--ignore-scripts", tarball()], ROOM);
    assert.match(said, /edge-vitals@/);
  });

  /**
   * One visit as a person makes it: opens a page, follows its links, and leaves.
   * @param {string} url
   * @param {string[]} links the link's words, and the heading that it leads to
   * @param {string[]} clients the files that the client may come in
   * @param {boolean} [isMissing] whether the server says that there is no such page
   */
  async function visit(url, links, clients, isMissing = false) {
    const context = await browser.newContext(DEVICES.desktop);
    try {
      const page = await context.newPage();
      page.setDefaultTimeout(20_000);
      /** @type {string[]} */
      const errors = [];
      page.on("pageerror", ({ message }) => errors.push(message));
      page.on("console", (message) => {
        const isExpected = isMissing && message.text().includes("404");
        if (message.type() === "error" && !isExpected) errors.push(message.text());
      });
      const fetched = page.waitForResponse((response) => clients.includes(basename(response.url())) || response.url().includes("edge-vitals"));
      await page.goto(url, { waitUntil: "load" });
      await (await fetched).finished();
      // The client has started.
      await page.evaluate(() => new Promise((resolve) => requestIdleCallback(resolve)));
      for (const [index, link] of links.entries()) {
        const [words, heading] = link.split(" → ");
        await page.getByRole("link", { name: words, exact: true }).click();
        await page.getByRole("heading", { name: heading }).waitFor();
        await page.evaluate(softNavigations, index + 1);
      }
      await page.goto("about:blank");
      assert.deepEqual(errors, []);
    } finally {
      await context.close();
    }
  }
});

/** Resolves when the browser has reported that many soft navigations. @param {number} count */
const softNavigations = (count) =>
  new Promise((resolve) => {
    let reported = 0;
    new PerformanceObserver((list) => (reported += list.getEntries().length) >= count && resolve(undefined)).observe({ type: "soft-navigation", buffered: true });
  });

/** What only the developer's view says. */
const DEVELOPMENT_TOOLS = /Web vitals of this page|console\.table|api\/budgets\/limits/;

/** @typedef {{ path: string, clicks: string[], expect: { nav: string, route: string, path: string }[], isMissing?: boolean }} Visit */

/** @param {any} beacon @param {{ nav: string, route: string, path: string }} view */
const is = (beacon, view) => beacon.nav === view.nav && beacon.route === view.route && beacon.path === view.path;

/** What a script's own views are. @type {Visit[]} */
const VISIT = [
  {
    path: "/",
    clicks: ["Product → Product 42"],
    expect: [
      { nav: "navigate", route: "/", path: "/" },
      { nav: "soft-navigation", route: "/product/:id", path: "/product/42" },
    ],
  },
];

/** What Next.js's routers tell of their routes. @type {(project: import("./projects.mjs").Project) => Visit[]} */
const nextVisits = (project) => [
  {
    path: "/",
    clicks: ["Product → Product 42", "Another → Product product"],
    expect: [
      { nav: "navigate", route: "/", path: "/" },
      { nav: "soft-navigation", route: "/product/:id", path: "/product/42" },
      { nav: "soft-navigation", route: "/product/:id", path: "/product/product" },
    ],
  },
  { path: "/docs/start/here", clicks: [], expect: [{ nav: "navigate", route: "/docs/:path*", path: "/docs/start/here" }] },
  ...(project.less?.includes("pages")
    ? []
    : [
        { path: "/nowhere/at/all", clicks: [], expect: [{ nav: "navigate", route: "/404", path: "/nowhere/at/all" }], isMissing: true },
        {
          path: "/legacy",
          clicks: ["News → Entry news"],
          expect: [
            { nav: "navigate", route: "/legacy", path: "/legacy" },
            { nav: "soft-navigation", route: "/legacy/:slug", path: "/legacy/news" },
          ],
        },
      ]),
];

/** How many there are of each name. @param {{ name: string }[]} reports */
function count(reports) {
  /** @type {Record<string, number>} */
  const counts = {};
  for (const { name } of reports) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

/** A line of the table of sizes. @param {string} name @param {(string | number)[]} cells */
const row = (name, ...cells) => `  ${name.padEnd(16)} ${cells.map((cell) => (typeof cell === "number" ? `${cell} B` : cell).padStart(9)).join("  ")}`;
