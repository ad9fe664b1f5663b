// Lighthouse results: the latest of each page and device, limited in number, uploaded and read with the
// right token.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Ajv2020 } from "ajv/dist/2020.js";

import { serve } from "../product.mjs";

/** @type {Awaited<ReturnType<typeof serve>>} */
let product;
/** @type {import("ajv").ValidateFunction} */
let validate;
before(async () => {
  product = await serve({ READ_TOKEN: "read sesame", MANAGE_TOKEN: "manage sesame", SITES: { demo: { public: true }, full: { public: true }, shut: {} } });
  const document = await (await fetch(`${product.origin}/api/openapi.json`)).json();
  const ajv = new Ajv2020({ strict: false });
  ajv.addSchema({ $id: "https://doc.invalid/openapi.json", ...document });
  validate = ajv.compile({ $ref: "https://doc.invalid/openapi.json#/components/schemas/Lab" });
});
after(() => product.close());

/** @param {unknown} body @param {string} [site] @param {string} [token] */
const upload = (body, site = "demo", token = "manage sesame") =>
  fetch(`${product.origin}/api/lab?site=${site}`, { method: "POST", headers: { authorization: `Bearer ${token}` }, body: typeof body === "string" ? body : JSON.stringify(body) });
/** @param {string} [site] @param {Record<string, string>} [headers] */
const read = async (site = "demo", headers = {}) => {
  const answer = await fetch(`${product.origin}/api/lab?site=${site}`, { headers });
  const body = await answer.json();
  if (answer.ok) assert.ok(validate(body), JSON.stringify(validate.errors));
  return { status: answer.status, pages: body.pages };
};
const page = (/** @type {Record<string, any>} */ more = {}) => ({ path: "/product/42", device: "phone", runs: 5, medians: { LCP: 1950.25, CLS: 0.02 }, score: 0.93, ...more });

test("the latest result of a page and device replaces the previous one", async () => {
  assert.equal((await upload({ v: 1, release: "1", pages: [page(), page({ device: "desktop" })] })).status, 200);
  assert.equal((await upload({ v: 1, release: "2", pages: [page({ medians: { LCP: 2000 }, score: undefined })] })).status, 200);
  const { pages } = await read();
  assert.deepEqual(
    pages.map((/** @type {any} */ { at, ...rest }) => (assert.ok(Math.abs(Date.now() - at) < 60_000), rest)),
    [
      { route: "/product/:id", release: "1", ...page({ device: "desktop" }) },
      { route: "/product/:id", release: "2", path: "/product/42", device: "phone", runs: 5, medians: { LCP: 2000 } },
    ],
  );
});

test("an upload requires the management token", async () => {
  for (const token of ["", "read sesame", "manage sesam"]) assert.equal((await upload({ v: 1, pages: [page()] }, "shut", token)).status, 401, token);
  assert.equal((await read("shut")).status, 401);
  assert.deepEqual(await read("shut", { authorization: "Bearer read sesame" }), { status: 200, pages: [] });
  assert.equal((await upload({ v: 1, pages: [page()] }, "nobody")).status, 404);
});

test("an invalid upload is rejected and changes nothing", async () => {
  const before = await read();
  for (const [body, status] of /** @type {[unknown, number][]} */ ([
    ["{", 400],
    [{ v: 1 }, 400],
    [{ v: 1, pages: [page({ more: 1 })] }, 400],
    [{ v: 2, pages: [page()] }, 422],
    [{ v: 1, pages: [] }, 422],
    [{ v: 1, pages: [page(), page({ path: "no path" })] }, 422],
    [{ v: 1, pages: [page({ medians: { LCP: -1 } })] }, 422],
    [JSON.stringify({ v: 1, pages: [page({ path: `/${"x".repeat(20_000)}` })] }), 413],
  ])) {
    assert.equal((await upload(body)).status, status, JSON.stringify(body).slice(0, 80));
  }
  assert.deepEqual(await read(), before);
  assert.equal((await fetch(`${product.origin}/api/lab?site=demo`, { method: "DELETE" })).headers.get("allow"), "GET, HEAD, POST");
});

test("five hundred pages are kept, and the oldest are dropped", async () => {
  for (let batch = 0; batch < 11; batch += 1) {
    const pages = Array.from({ length: 50 }, (_, index) => page({ path: `/page/n${batch}-${index}`, score: undefined }));
    assert.equal((await upload({ v: 1, pages }, "full")).status, 200);
  }
  const { pages } = await read("full");
  assert.equal(pages.length, 500);
  assert.ok(!pages.some((/** @type {any} */ { path }) => path.startsWith("/page/n0-")), "the first batch is dropped");
});
