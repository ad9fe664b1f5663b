// A browser context that records violations, errors and foreign requests; and screenshots of views, checked by axe.
import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** @typedef {import("playwright-core").Page} Page @typedef {import("playwright-core").Browser} Browser */

/**
 * A page that collects CSP violations, console errors and requests to other origins in `complaints`.
 * @param {Browser} browser @param {string} origin @param {import("playwright-core").BrowserContextOptions} [options]
 */
export async function visits(browser, origin, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: "en-US", timezoneId: "UTC", ...options });
  await context.addInitScript(() => {
    addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) => console.error(`policy: ${violatedDirective} ${blockedURI}`));
  });
  const page = await context.newPage();
  /** @type {string[]} */
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.protocol.startsWith("http") && url.origin !== origin) complaints.push(`asks ${url.origin}`);
  });
  return {
    context,
    page,
    complaints,
    go: async (/** @type {string} */ path) => {
      await page.goto(origin + path);
      await settled(page);
    },
  };
}

/** @param {Page} page */
export const settled = (page) => page.locator("#content:not([aria-busy])").waitFor();
/** The leading number of a text. @param {string | null} text */
export const number = (text) => Number((text ?? "").replaceAll(",", "").match(/-?[\d.]+/)?.[0]);
/** @param {Page} page @param {string} selector */
export const text = (page, selector) => page.locator(selector).first().textContent();

/**
 * Checks each view at three widths and in both themes: no overflow, no axe violations. Saves screenshots.
 * @param {Browser} browser @param {string} origin @param {Record<string, string>} views
 * @param {(page: Page, name: string) => Promise<unknown>} ready @param {Record<string, string>} [tokens] by key of sessionStorage
 */
export async function photographed(browser, origin, views, ready, tokens = {}) {
  await mkdir(new URL("../output", import.meta.url), { recursive: true });
  /** @type {string[]} */
  const told = [];
  for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
    for (const [width, height] of [[1280, 800], [768, 1024], [390, 844]]) {
      const { page, go, context, complaints } = await visits(browser, origin, { viewport: { width, height }, colorScheme });
      await context.addInitScript((tokens) => Object.entries(tokens).forEach(([name, token]) => sessionStorage.setItem(name, token)), tokens);
      // Colours depend on the theme and layout on the width, so axe need not run on every pair.
      const looks = width === 1280 || (width === 390 && colorScheme === "light");
      if (looks) await context.addInitScript(axe);
      for (const [name, path] of Object.entries(views)) {
        await go(path);
        await ready(page, name);
        const beside = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(beside <= 0, `${name} is ${beside} px wider than ${width}`);
        const cut = await page.locator(".scroll").evaluateAll((tables) => tables.filter((table) => table.scrollWidth > table.clientWidth).map((table) => table.getAttribute("aria-label")));
        assert.deepEqual(cut, [], `tables of ${name} at ${width} that are wider than their place`);
        await page.screenshot({ path: new URL(`../output/${name}-${width}-${colorScheme}.png`, import.meta.url).pathname, fullPage: true });
        if (!looks) continue;
        const found = await page.evaluate(() => /** @type {any} */ (globalThis).axe.run({ resultTypes: ["violations"] }));
        for (const { id, nodes } of found.violations) {
          for (const { target, any } of nodes.slice(0, 3)) told.push(`${name}, ${colorScheme}, ${width}: ${id} of ${target}: ${any[0]?.message ?? ""}`);
        }
      }
      // Chromium logs the expected 401 and 503 responses.
      assert.deepEqual(complaints.filter((each) => !/\b(401|503)\b/.test(each)), []);
      await context.close();
    }
  }
  assert.deepEqual(told, []);
}
