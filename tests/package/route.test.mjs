//! Templates of routes, from what Next.js's routers tell. That the routers do tell it so is seen in
//! `package.test.mjs`.

import assert from "node:assert/strict";
import { test } from "node:test";
import { routeOfParams, routeOfPattern } from "../../pkg/frontend/route.js";

/** @type {[string, string][]} */
const PATTERNS = [
  ["/", "/"],
  ["/product/[id]", "/product/:id"],
  ["/[locale]/blog/[slug]", "/:locale/blog/:slug"],
  ["/docs/[...path]", "/docs/:path*"],
  ["/shop/[[...path]]", "/shop/:path*"],
];

for (const [pattern, route] of PATTERNS) test(`the Pages Router's ${pattern} is ${route}`, () => assert.equal(routeOfPattern(pattern), route));

/** @type {[string, Record<string, string | string[] | undefined>, string][]} */
const PATHS = [
  ["/", {}, "/"],
  ["/about", {}, "/about"],
  ["/product/42", { id: "42" }, "/product/:id"],
  ["/en/blog/en", { locale: "en", slug: "en" }, "/:locale/blog/:slug"],
  ["/blog/blog", { slug: "blog" }, "/blog/:slug"],
  ["/7/7", { team: "7", member: "7" }, "/:team/:member"],
  ["/docs/a/b/c", { path: ["a", "b", "c"] }, "/docs/:path*"],
  ["/docs/a/docs/a/edit", { path: ["docs", "a"] }, "/docs/a/:path*/edit"],
  ["/shop", { path: undefined }, "/shop"],
  ["/shop", { path: [] }, "/shop"],
  ["/caf%C3%A9/x", { name: "café" }, "/:name/x"],
  ["/caf%C3%A9/x", { name: "caf%C3%A9" }, "/:name/x"],
  ["/100%/x", { name: "100%" }, "/:name/x"],
  ["/product/42/", { id: "42" }, "/product/:id/"],
  ["/rewritten", { id: "42" }, "/rewritten"],
];

for (const [path, params, route] of PATHS) {
  test(`${path} with ${JSON.stringify(params)} is ${route}`, () => assert.equal(routeOfParams(path, params), route));
}

test("a route that is too long for a beacon is dropped", () => {
  assert.equal(routeOfParams(`/${"é".repeat(128)}`, {}), undefined);
  assert.equal(routeOfParams(`/${"a".repeat(255)}`, {})?.length, 256);
});
