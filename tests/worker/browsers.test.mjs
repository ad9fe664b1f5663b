// Browsers and operating systems of real agent strings, as the maintained patterns of ua-parser name them.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";

import yaml from "js-yaml";

import { beacon, serve } from "../product.mjs";

const require = createRequire(import.meta.url);

/** @typedef {{ pattern: RegExp, family: string | undefined, major: string | undefined }} Pattern */

const patterns = /** @type {Record<string, Record<string, string>[]>} */ (yaml.load(readFileSync(require.resolve("uap-core/regexes.yaml"), "utf8")));
const compile = (/** @type {string} */ list, /** @type {string} */ family, /** @type {string} */ major) =>
  patterns[list].map((rule) => ({ pattern: new RegExp(rule.regex), family: rule[family], major: rule[major] }));
const browserPatterns = compile("user_agent_parsers", "family_replacement", "v1_replacement");
const systemPatterns = compile("os_parsers", "os_replacement", "os_v1_replacement");

/** The family and the major version of the first pattern that matches. @param {Pattern[]} all @param {string} agent @returns {[string, string | undefined]} */
function firstMatch(all, agent) {
  for (const { pattern, family, major } of all) {
    const found = pattern.exec(agent);
    if (found) {
      const fill = (/** @type {string | undefined} */ text, /** @type {number} */ group) => (text ? text.replace(/\$(\d)/g, (_, number) => found[number] ?? "") : found[group]);
      return [fill(family, 1), fill(major, 2)];
    }
  }
  return ["Other", undefined];
}

/** The families of ua-parser that have another name here; a phone's browser is the same family. */
const FAMILIES = new Map([
  ["Chrome Mobile", "Chrome"],
  ["Chrome Mobile iOS", "Chrome"],
  ["Chrome Mobile WebView", "Android WebView"],
  ["DuckDuckGo Mobile", "DuckDuckGo"],
  ["Edge Mobile", "Edge"],
  ["Firefox Mobile", "Firefox"],
  ["Firefox iOS", "Firefox"],
  ["Mobile Safari", "Safari"],
  ["Opera Mobile", "Opera"],
]);
const SYSTEMS = new Map([["Mac OS X", "macOS"], ["Chrome OS", "ChromeOS"], ["Ubuntu", "Linux"], ["Fedora", "Linux"]]);
/** Apps, which count as the engine inside them. */
const APPS = new Set(["Google", "Snapchat", "Facebook", "Instagram", "Pinterest", "Mobile Safari UI/WKWebView"]);
/** Products that ua-parser takes for another browser (Ecosia for Phantom), and old WebViews without their mark. */
const NAMED_HERE = /(Ddg|DuckDuckGo|OPT|OPX)\/|Ecosia|^(?!.*; wv\)).*Version\/4\.0 Chrome\//;

/** Real agent strings: up to a dozen of each family and system. */
function agents() {
  /** @type {{ userAgent: string }[]} */
  const all = JSON.parse(readFileSync(new URL("../../node_modules/user-agents/dist/user-agents.json", import.meta.url), "utf8"));
  const counts = new Map();
  return [...new Set(all.map(({ userAgent }) => userAgent))].sort().flatMap((agent) => {
    const [[family, major], [system]] = [firstMatch(browserPatterns, agent), firstMatch(systemPatterns, agent)];
    const kind = `${family} ${system}`;
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
    const browser = APPS.has(family) || NAMED_HERE.test(agent) ? null : `${FAMILIES.get(family) ?? family} ${major}`;
    return counts.get(kind) > 12 ? [] : [{ agent, browser, system: SYSTEMS.get(system) ?? system }];
  });
}

/** @type {Awaited<ReturnType<typeof serve>>} */
let product;
before(async () => {
  product = await serve({ SITES: { demo: { public: true }, plain: { public: true, browsers: false } } });
});
after(() => product.close());

/** @param {string} query @returns {Promise<any[]>} */
async function lines(query) {
  const response = await fetch(`${product.origin}/api/vitals/distribution?metric=LCP&limit=5000&${query}`);
  assert.equal(response.status, 200);
  return (await response.json()).lines;
}

test("the browser and the system of real agent strings are those that ua-parser finds", async () => {
  const corpus = agents();
  const kinds = new Set(corpus.map(({ browser, system }) => `${browser?.replace(/ \d+$/, "")} ${system}`));
  assert.ok(corpus.length > 100 && kinds.size >= 12, `${corpus.length} agents of ${kinds.size} kinds`);
  for (let from = 0; from < corpus.length; from += 50) {
    const block = corpus.slice(from, from + 50);
    await Promise.all(block.map(({ agent }, index) => product.send(beacon({ dim: { agent: String(from + index) }, m: { LCP: 900 } }), { "user-agent": agent })));
  }
  const counted = await lines("site=demo&bots=include&by=browser,browser_family,os,dim.agent");
  assert.equal(counted.length, corpus.length);
  const wrong = counted.flatMap(({ group }) => {
    const { agent, browser, system } = corpus[Number(group["dim.agent"])];
    assert.equal(group.browser_family, group.browser.replace(/ \d+$/, ""));
    return group.os === system && (browser === null || group.browser === browser) ? [] : [{ agent, browser, system, group }];
  });
  assert.deepEqual(wrong, []);
});

test("client hints name the browser where agent strings are alike, and filter every read", async () => {
  const agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36";
  const hints = (/** @type {string} */ brand) => ({ "user-agent": agent, "sec-ch-ua": `"Chromium";v="156", "${brand}";v="150", "Not-A;Brand";v="8"`, "sec-ch-ua-platform": '"Windows"', "sec-ch-ua-mobile": "?0" });
  await Promise.all(["Brave", "Brave", "Microsoft Edge"].map((brand) => product.send(beacon({ path: "/hinted", m: { LCP: 900 } }), hints(brand))));
  await product.send(beacon({ site: "plain", path: "/hinted", m: { LCP: 900 } }), hints("Brave"));
  const named = (await lines("site=demo&route=/hinted&by=browser,os")).map(({ group, n }) => [group.browser, group.os, n]).sort();
  assert.deepEqual(named, [["Brave 150", "Windows", 2], ["Edge 150", "Windows", 1]]);
  const report = await (await fetch(`${product.origin}/api/budgets?site=demo&route=/hinted&browser_family=Brave&os=Windows`)).json();
  assert.deepEqual([report.views, report.filters], [2, { browser_family: "Brave", os: "Windows", route: "/hinted" }]);
  assert.equal((await product.summary("site=demo&route=/hinted&browser=Edge+150")).views, 1);
  // A site may record no browsers.
  assert.deepEqual((await lines("site=plain&by=browser,os")).map(({ group, n }) => [group.browser, group.os, n]), [[null, null, 1]]);
});

test("soft navigations and declared views stand beside loads, and are read alone", async () => {
  const views = [["navigate", 900], ["soft-navigation", 300], ["soft-navigation", 400], ["view", undefined]];
  await Promise.all(views.map(([nav, LCP]) => product.send(beacon({ path: "/app", nav, m: LCP === undefined ? { INP: 80 } : { LCP } }))));
  const summary = await product.summary("site=demo&route=/app");
  assert.equal(summary.views, 1);
  const beside = (/** @type {any[]} */ navigations) => navigations.map(({ navigation, views, metrics }) => [navigation, views, metrics.map((/** @type {any} */ { metric, n }) => `${metric} ${n}`)]);
  const expected = [["soft-navigation", 2, ["LCP 2"]], ["view", 1, ["INP 1"]]];
  assert.deepEqual(beside(summary.navigations), expected);
  const report = await (await fetch(`${product.origin}/api/budgets?site=demo&route=/app`)).json();
  assert.deepEqual(beside(report.navigations), expected);
  for (const [navigations, count] of [["hard", 1], ["soft", 3], ["all", 4]]) {
    assert.equal((await product.summary(`site=demo&route=/app&navigations=${navigations}`)).views, count, String(navigations));
  }
});
