//! The guides, held to what they say: a snippet that names a file is the file that another test builds
//! and visits, every other one is compiled against the installed package, and the pages that are
//! shown whole are opened in Chromium.

import assert from "node:assert/strict";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { launch } from "../browser/chromium.mjs";
import { serve as serveWorker } from "../product.mjs";
import { install, ROOM, run, serve } from "./projects.mjs";

const root = join(import.meta.dirname, "../..");
const GUIDES = ["docs/nextjs.md", "docs/nextjs-cache.md", "docs/any-site.md", "docs/csp.md", "docs/migrating.md", "pkg/README.md"];

/** The snippets of a guide: their language, the file that they name, and their text. @param {string} guide */
async function snippets(guide) {
  const text = await readFile(join(root, guide), "utf8");
  return [...text.matchAll(/^```(\w+)(?: (\S+))?\n(.*?)^```$/gms)].map(([, language, file, code]) => ({ language, file, code }));
}

/** The only snippet in that language. @param {string} guide @param {string} language */
async function only(guide, language) {
  const all = (await snippets(guide)).filter((snippet) => snippet.language === language);
  assert.equal(all.length, 1, `${guide} has ${all.length} snippets in ${language}`);
  return all[0].code;
}

describe("the guides", () => {
  before(() => install());

  test("a snippet that names a file is what is built and visited", async () => {
    const named = (await snippets("docs/nextjs.md")).filter(({ file }) => file);
    assert.deepEqual(named.map(({ file }) => file), ["instrumentation-client.js", "app/layout.jsx", "pages/_app.jsx", "app/backend/vitals/route.js"]);
    for (const { file, code } of named) {
      const project = file === "instrumentation-client.js" ? "next-early" : "next";
      assert.equal(code, await readFile(join(import.meta.dirname, "projects", project, file ?? ""), "utf8"), file);
    }
  });

  test("every other snippet compiles against the installed package", async () => {
    const folder = join(ROOM, "snippets");
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    let found = 0;
    for (const guide of GUIDES) {
      for (const { language, file, code } of await snippets(guide)) {
        if (file || !/^[jt]sx?$/.test(language)) continue;
        found += 1;
        await writeFile(join(folder, `${guide.replace(/\W/g, "-")}-${found}.${language}`), code);
      }
    }
    assert.ok(found >= 9, `only ${found} snippets were found; are they written otherwise now?`);
    await writeFile(
      join(folder, "tsconfig.json"),
      JSON.stringify({
        extends: join(root, "tsconfig.json"),
        compilerOptions: {
          jsx: "react-jsx",
          types: ["node"],
          typeRoots: [join(root, "node_modules/@types")],
          paths: { "/v1/client.js": [join(root, "pkg/types/index.d.ts")], "web-vitals": [join(root, "node_modules/web-vitals/dist/modules/index.d.ts")] },
        },
        include: ["*"],
      }),
    );
    await run([join(root, "node_modules/.bin/tsc"), "--project", folder], folder);
  });

  test("the five steps of docs/backend.md print what they say", async () => {
    const all = await snippets("docs/backend.md");
    const steps = all.filter(({ language }) => language === "js").map(({ code }) => code);
    assert.equal(steps.length, 5);
    const file = join(ROOM, "backend-steps.mjs");
    await writeFile(file, steps.join("\n"));
    const environment = { EDGE_VITALS_URL: "", EDGE_VITALS_CACHE_TOKEN: "" };
    assert.equal(await run(["node", file], ROOM, environment), all.find(({ language }) => language === "text")?.code);
  });

  test("the route of docs/cache.md for Next.js is the one that the sample portal is served by", async () => {
    const route = JSON.parse((await snippets("docs/cache.md")).filter(({ language }) => language === "json").at(-1)?.code ?? "");
    const { routes } = JSON.parse(await readFile(join(root, "www/portal/edge.json"), "utf8"));
    assert.deepEqual({ ...route, host: "HOST", origin: "ORIGIN" }, routes.at(-1));
  });

  test("the data dictionary names each field of a beacon, and no other", async () => {
    const text = await readFile(join(root, "docs/privacy.md"), "utf8");
    const [sent] = text.split("## Other data in a request");
    const named = [...sent.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name);
    const { properties } = JSON.parse(await readFile(join(root, "crates/wire/beacon.schema.json"), "utf8"));
    // The attribution layer's is sent besides.
    assert.deepEqual(named.sort(), [...new Set([...Object.keys(properties), "a"])].sort());
  });

  describe("in Chromium", () => {
    /** @type {import("playwright-core").Browser} */
    let browser;
    /** @type {Awaited<ReturnType<typeof serveWorker>>} */
    let worker;
    /** @type {Awaited<ReturnType<typeof serve>>} */
    let site;

    before(async () => {
      const folder = join(ROOM, "documents");
      await mkdir(folder, { recursive: true });
      const [, policy] = /^Content-Security-Policy: (.*)$/m.exec(await only("docs/csp.md", "http")) ?? [];
      const page = (/** @type {string} */ head) => `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A page</title><link rel="icon" href="data:,">${head}</head><body><h1>A page</h1></body></html>`;
      const policed = (/** @type {string} */ policy) => page(`<meta http-equiv="content-security-policy" content="${policy}"><script type="module" src="/policed.js"></script>`);
      await writeFile(join(folder, "plain.html"), page(await only("docs/any-site.md", "html")));
      await writeFile(join(folder, "policed.js"), await only("docs/csp.md", "js"));
      await writeFile(join(folder, "strict.html"), policed(policy));
      await writeFile(join(folder, "stricter.html"), policed(policy.replace(" 'wasm-unsafe-eval'", "")));
      browser = await launch("desktop");
      worker = await serveWorker({ SITES: { portal: { origins: ["*"], public: true } } });
      site = await serve({ name: "documents", layers: [], build: [], output: "", copies: 0 }, worker.origin);
    });

    after(async () => {
      await site?.close();
      await browser?.close();
      await worker?.close();
    });

    /** Opens a page and leaves it once it is loaded, with a module that it fetches later if need be; resolves to its beacon. @param {string} path @param {string} [later] */
    async function visited(path, later) {
      const page = await browser.newPage();
      /** @type {string[]} */
      const errors = [];
      page.on("pageerror", ({ message }) => errors.push(message));
      await page.goto(site.origin + path, { waitUntil: "load" });
      if (later) await page.evaluate((later) => import(later), later);
      await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestIdleCallback(resolve))));
      await page.goto("about:blank");
      await site.hears((beacons) => beacons.some((beacon) => beacon.path === path));
      await page.close();
      assert.deepEqual(errors, []);
      const { beacon, status } = site.heard.findLast(({ beacon }) => beacon.path === path) ?? { beacon: {}, status: 0 };
      assert.equal(status, 200);
      return beacon;
    }

    test("two lines on a page without a build are a visit that is counted", async () => {
      const { m, route } = await visited("/plain.html");
      assert.equal(route, "/product/:id");
      assert.ok(m.LCP > 0 && m.TTFB > 0, JSON.stringify(m));
    });

    test("under the policy that is advised all is measured", async () => {
      const { m, lost } = await visited("/strict.html");
      assert.ok(m.LCP > 0 && lost === undefined, JSON.stringify(m));
    });

    test("under a policy that refuses WebAssembly all is measured, too", async () => {
      const { m, lost } = await visited("/stricter.html", "/v1/fallback.js");
      assert.ok(m.LCP > 0 && lost === undefined, JSON.stringify(m));
    });
  });
});
