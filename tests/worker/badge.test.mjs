// The status badge: it claims no more than the counts support.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { beacon, serve } from "../product.mjs";

/** @type {Awaited<ReturnType<typeof serve>>} */
let product;
before(async () => {
  product = await serve({ READ_TOKEN: "token", SITES: { demo: { public: true }, empty: { public: true }, shut: {} } });
  const views = (/** @type {number} */ count, /** @type {Record<string, any>} */ fields) => Array.from({ length: count }, () => product.send(beacon(fields)));
  await Promise.all([
    ...views(40, { path: "/quick", m: { LCP: 900 } }),
    ...views(40, { path: "/slow", m: { LCP: 3900 } }),
    ...views(5, { path: "/rare", m: { LCP: 900 } }),
  ]);
});
after(() => product.close());

/** @param {string} query @param {Record<string, string>} [headers] */
async function badge(query, headers = {}) {
  const answer = await fetch(`${product.origin}/badge.svg?${query}`, { headers });
  return { answer, svg: await answer.text() };
}
/** The title that assistive technology reads. @param {string} svg */
const badgeTitle = (svg) => svg.match(/<title>(.*?)<\/title>/)?.[1];

test("a badge states the verdict, and is green only for a met budget", async () => {
  for (const [query, words, colour] of [
    ["site=demo&metric=LCP&route=/quick", /^LCP: [89]\d\d ms, within budget$/, "#0b7a43"],
    ["site=demo&metric=LCP&route=/slow", /^LCP: 3\d{3} ms, over budget$/, "#c02626"],
    ["site=demo&metric=LCP&route=/rare", /^LCP: [89]\d\d ms, too few to tell$/, "#5b6472"],
    ["site=demo&metric=INP", /^INP: no data$/, "#5b6472"],
    ["site=demo&route=/slow", /^web vitals: over budget$/, "#c02626"],
    ["site=empty", /^web vitals: no data$/, "#5b6472"],
  ]) {
    const { answer, svg } = await badge(/** @type {string} */ (query));
    assert.equal(answer.status, 200, svg);
    assert.equal(answer.headers.get("content-type"), "image/svg+xml");
    assert.match(String(badgeTitle(svg)), /** @type {RegExp} */ (words), String(query));
    assert.ok(svg.includes(String(colour)), `${query} is ${colour}`);
  }
});

test("a badge is cacheable, validates its query, and requires the token of a private site", async () => {
  const { answer } = await badge("site=demo&metric=LCP&to=1700000000000");
  assert.match(answer.headers.get("cache-control") ?? "", /^public, max-age=/);
  const again = await badge("site=demo&metric=LCP&to=1700000000000", { "if-none-match": answer.headers.get("etag") ?? "" });
  assert.equal(again.answer.status, 304);
  assert.equal((await badge("site=shut")).answer.status, 401);
  assert.equal((await badge("site=shut", { authorization: "Bearer token" })).answer.status, 200);
  assert.equal((await badge("site=nobody")).answer.status, 401);
  assert.equal((await badge("site=nobody", { authorization: "Bearer token" })).answer.status, 404);
  assert.equal((await badge("site=demo&metric=SPEED")).answer.status, 400);
  const posted = await fetch(`${product.origin}/badge.svg`, { method: "POST" });
  assert.deepEqual([posted.status, posted.headers.get("allow")], [405, "GET, HEAD"]);
});
