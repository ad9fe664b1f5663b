// Quantiles of any slice, compared with exact arrays and with the OpenAPI document.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { after, before, test } from "node:test";

import { Ajv2020 } from "ajv/dist/2020.js";

import { beacon, DESKTOP, serve } from "../product.mjs";

/** @type {Awaited<ReturnType<typeof serve>>} */
let product;
/** @type {any} */
let document;
/** @type {Ajv2020} */
let ajv;
const PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Mobile/15E148";

/** @type {{ route: string, device: string, release: string, plan: string, country: string, LCP: number }[]} */
const views = [];

before(async () => {
  product = await serve({ SHARDS: "3", READ_TOKEN: "token", SITES: { demo: { public: true, countries: true }, slow: { public: true, routes: ["/blog/new", "/blog/:slug"] }, shut: {} } });
  document = await (await fetch(`${product.origin}/api/openapi.json`)).json();
  ajv = new Ajv2020({ strict: true, allowUnionTypes: true });
  ajv.addSchema({ ...(await (await fetch(`${product.origin}/v1/beacon.schema.json`)).json()), $id: "https://doc.invalid/v1/beacon.schema.json" });
  for (const keyword of Object.keys(document)) if (!["$id", "$schema"].includes(keyword)) ajv.addKeyword(keyword);
  ajv.addSchema({ $id: "https://doc.invalid/openapi.json", ...document });
  for (let index = 0; index < 240; index += 1) {
    const release = index % 2 ? "2.0" : "1.0";
    // The second release is slower on every page and device.
    const LCP = 900 + ((index * 37) % 240) * 6 + (release === "2.0" ? 700 : 0);
    views.push({ route: ["/", "/cart", "/search"][index % 3], device: index % 4 < 2 ? "phone" : "desktop", release, plan: index % 5 ? "free" : "pro", country: ["AT", "DE", "XX"][index % 7 % 3], LCP });
  }
  await Promise.all(
    views.map(({ route, device, release, plan, country, LCP }, index) =>
      product.send(beacon({ id: (index * 2654435761 + 1).toString(16).padStart(24, "0"), path: route, release, dim: { plan }, m: { LCP }, net: "4g" }), { "user-agent": device === "phone" ? PHONE : DESKTOP, "cf-ipcountry": country }),
    ),
  );
});
after(() => product.close());

/**
 * Sends a request and checks its response against the OpenAPI document.
 * @param {string} path @param {Record<string, string>} [headers]
 * @returns {Promise<{ answer: Response, body: any }>}
 */
async function get(path, headers = {}) {
  const answer = await fetch(product.origin + path, { headers });
  const name = path.split("?")[0];
  const description = document.paths[name]?.get?.responses[String(answer.status)];
  assert.ok(description, `${path} returned ${answer.status}, which OpenAPI does not describe`);
  const response = description.$ref ? document.components.responses[description.$ref.split("/").at(-1)] : description;
  const kind = (answer.headers.get("content-type") ?? "").split(";")[0];
  if (answer.status === 304) return { answer, body: null };
  assert.ok(response.content[kind], `${path} returned ${kind}, which OpenAPI does not describe`);
  if (!kind.endsWith("json")) return { answer, body: kind === "text/csv" ? await answer.text() : Buffer.from(await answer.arrayBuffer()) };
  const body = await answer.json();
  const schema = response.content[kind].schema;
  const valid = ajv.compile(schema.$ref ? { $ref: `https://doc.invalid/openapi.json${schema.$ref}` } : schema);
  assert.ok(valid(body), `${path}: ${ajv.errorsText(valid.errors)} in ${JSON.stringify(body).slice(0, 400)}`);
  return { answer, body };
}

/** The nearest-rank percentile. @param {number[]} values @param {number} percent */
function exact(values, percent) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.ceil((sorted.length * percent) / 100) - 1];
}

/** @param {any} line @param {number[]} values */
function assertQuantiles(line, values) {
  assert.equal(line.n, values.length);
  for (const percent of [50, 75, 90, 95, 99]) {
    const expected = exact(values, percent);
    const found = line[`p${percent}`];
    assert.ok(Math.abs(found - expected) <= expected / 64, `p${percent} is ${found}, exact ${expected}`);
  }
  assert.equal(line.good, Math.round((values.filter((value) => value <= 2500).length / values.length) * 1e4) / 1e4);
  const [low, high] = line.p75_interval;
  assert.ok(low <= line.p75 && line.p75 <= high);
}

const lcp = (/** @type {(view: (typeof views)[number]) => boolean} */ keep) => views.filter(keep).map(({ LCP }) => LCP);

test("groups of any dimensions have the percentiles of their views", async () => {
  const { body } = await get("/api/vitals/routes?site=demo&metric=LCP&by=route,device,release,dim.plan");
  assert.equal(body.lines.length, 24);
  for (const line of body.lines) {
    const { route, device, release } = line.group;
    const values = lcp((view) => view.route === route && view.device === device && view.release === release && view.plan === line.group["dim.plan"]);
    assert.equal(line.n, values.length);
  }
  const { body: byDevice } = await get("/api/vitals/distribution?site=demo&metric=LCP&by=device");
  for (const line of byDevice.lines) {
    const values = lcp((view) => view.device === line.group.device);
    assertQuantiles(line, values);
    for (const { low, high, visits } of line.buckets) assert.equal(visits, values.filter((value) => low <= value && value <= high).length);
  }
});

test("countries are kept only where the site enables them", async () => {
  const { body } = await get("/api/vitals/distribution?site=demo&metric=LCP&by=country");
  assert.deepEqual(body.lines.map((/** @type {any} */ { group }) => group.country).sort(), ["AT", "DE", null]);
  for (const line of body.lines) assertQuantiles(line, lcp((view) => view.country === (line.group.country ?? "XX")));
  const { body: austria } = await get("/api/vitals/summary?site=demo&country=AT");
  assert.equal(austria.views, views.filter(({ country }) => country === "AT").length);
  // The other site has not enabled countries.
  await product.send(beacon({ site: "slow", path: "/abroad", m: { LCP: 900 } }), { "user-agent": DESKTOP, "cf-ipcountry": "AT" });
  const { body: other } = await get("/api/vitals/distribution?site=slow&route=/abroad&metric=LCP&by=country");
  assert.deepEqual(other.lines.map((/** @type {any} */ { group, n }) => [group.country, n]), [[null, 1]]);
});

test("the site's first matching template names a route, unless the page declares its own", async () => {
  const send = (/** @type {object} */ fields) => product.send(beacon({ site: "slow", m: { LCP: 900 }, ...fields }), { "user-agent": DESKTOP });
  await Promise.all([send({ path: "/blog/new" }), send({ path: "/blog/on-speed" }), send({ path: "/blog/on-rest" }), send({ path: "/blog/on-rest", route: "/blog/[title]" })]);
  // The same applies to reports of callbacks.
  const report = await fetch(`${product.origin}/v1/vitals?site=slow&path=/blog/on-work`, { method: "POST", body: JSON.stringify({ name: "LCP", value: 900, id: "v5-1-1" }), headers: { "user-agent": DESKTOP } });
  assert.equal(report.status, 200);
  const { body } = await get("/api/vitals/routes?site=slow&metric=LCP");
  const counted = body.lines.filter((/** @type {any} */ { group }) => group.route.startsWith("/blog")).map((/** @type {any} */ { group, n }) => [group.route, n]);
  assert.deepEqual(counted.sort(), [["/blog/:slug", 3], ["/blog/[title]", 1], ["/blog/new", 1]]);
});

test("causes of slow views are parts, elements and scripts of each view's last beacon", async () => {
  const slow = (/** @type {number} */ index, /** @type {number} */ seq, /** @type {object} */ fields) =>
    product.send(
      beacon({
        id: `c${index.toString(16).padStart(23, "0")}`,
        seq,
        site: "slow",
        path: "/causes",
        m: { LCP: 4000 + index, INP: 900 },
        a: {
          LCP: { target: `#hero-${index}>img`, url: "https://cdn.example/hero.jpg?w=1", timeToFirstByte: 1000, resourceLoadDelay: 100, resourceLoadDuration: 2000, elementRenderDelay: 900 + index },
          INP: { interactionTarget: index % 3 ? "#buy" : "#menu", script: "https://cdn.example/app.js", inputDelay: 50, processingDuration: 800, presentationDelay: 50 },
        },
        ...fields,
      }),
      { "user-agent": DESKTOP },
    );
  for (let index = 0; index < 9; index += 1) await slow(index, 0, {});
  // The last beacon of a view counts: one view became fast, another has a different cause.
  await slow(0, 1, { m: { LCP: 800, INP: 40 } });
  await slow(1, 1, { a: { INP: { interactionTarget: "#late", inputDelay: 50, processingDuration: 700, presentationDelay: 150 } } });
  const { body } = await get("/api/vitals/causes?site=slow&route=/causes");
  const [inp, lcp] = ["INP", "LCP"].map((metric) => body.lines.find((/** @type {any} */ line) => line.metric === metric));
  assert.deepEqual(inp, {
    route: "/causes",
    device: "desktop",
    metric: "INP",
    n: 8,
    parts: [
      { part: "input-delay", ms: 50 },
      { part: "processing-duration", ms: Math.round((7 * 800 + 700) / 8) },
      { part: "presentation-delay", ms: Math.round((7 * 50 + 150) / 8) },
    ],
    elements: [
      { name: "#buy", n: 5 },
      { name: "#menu", n: 2 },
      { name: "#late", n: 1 },
    ],
    sources: [{ name: "https://cdn.example/app.js", n: 7 }],
  });
  assert.equal(lcp.n, 7);
  // Numbers and queries are removed.
  assert.deepEqual(lcp.elements, [{ name: "#hero-*>img", n: 7 }]);
  assert.deepEqual(lcp.sources, [{ name: "https://cdn.example/hero.jpg", n: 7 }]);
  assert.deepEqual(lcp.parts.map((/** @type {any} */ { ms }) => ms), [1000, 100, 2000, 905]);
  const { body: none } = await get("/api/vitals/causes?site=slow&route=/cart");
  assert.deepEqual(none.lines, []);
});

test("every dimension is a filter", async () => {
  /** @type {[string, (view: (typeof views)[number]) => boolean][]} */
  const table = [
    ["route=/cart", (view) => view.route === "/cart"],
    ["device=phone", (view) => view.device === "phone"],
    ["release=2.0", (view) => view.release === "2.0"],
    ["dim.plan=pro", (view) => view.plan === "pro"],
    ["release=1.0&dim.plan=pro&device=desktop", (view) => view.release === "1.0" && view.plan === "pro" && view.device === "desktop"],
    ["net=4g&nav=navigate&bot=no", () => true],
    ["net=3g", () => false],
    ["cache=hit", () => false],
    ["nav=reload", () => false],
  ];
  for (const [filter, keep] of table) {
    const { body } = await get(`/api/vitals/distribution?site=demo&metric=LCP&${filter}`);
    const values = lcp(keep);
    assert.equal(body.views, values.length, filter);
    if (values.length > 20) assertQuantiles(body.lines[0], values);
    else assert.deepEqual(body.lines.map((/** @type {any} */ line) => line.n), values.length ? [values.length] : [], filter);
  }
});

test("a series adds up to the total at every step", async () => {
  for (const step of ["minute", "hour", "day"]) {
    const { body } = await get(`/api/vitals/series?site=demo&metric=LCP&step=${step}&by=release`);
    const length = { minute: 60_000, hour: 3_600_000, day: 86_400_000 }[step] ?? 1;
    assert.ok(body.lines.every((/** @type {any} */ line) => line.at % length === 0));
    assert.equal(body.lines.reduce((/** @type {number} */ sum, /** @type {any} */ line) => sum + line.n, 0), views.length);
  }
});

test("pages follow each other and add up to the whole", async () => {
  const { body: all } = await get("/api/vitals/routes?site=demo&by=route,device");
  const lines = [];
  /** @type {number | undefined} */
  let next = 0;
  while (next !== undefined) {
    /** @type {any} */
    const { body } = await get(`/api/vitals/routes?site=demo&by=route,device&limit=4&offset=${next}`);
    assert.ok(body.lines.length <= 4);
    lines.push(...body.lines);
    next = body.next;
  }
  assert.deepEqual(lines, all.lines);
});

test("a slower release is a regression, and the reverse is none", async () => {
  const { body } = await get("/api/vitals/compare?site=demo&a.release=1.0&b.release=2.0");
  const line = body.lines.find((/** @type {any} */ each) => each.metric === "LCP");
  assert.deepEqual([body.a.views, body.b.views], [120, 120]);
  assertQuantiles(line.a, lcp((view) => view.release === "1.0"));
  assertQuantiles(line.b, lcp((view) => view.release === "2.0"));
  assert.ok(line.budget.regression && line.budget.p_value < 0.01, JSON.stringify(line.budget));
  const back = await get("/api/vitals/compare?site=demo&a.release=2.0&b.release=1.0&device=phone");
  assert.equal(back.body.lines[0].budget.regression, false);
  assert.equal(back.body.a.views, lcp((view) => view.release === "2.0" && view.device === "phone").length);
  const time = await get(`/api/vitals/compare?site=demo&a.from=0&a.to=${Date.now() - 864e5}`);
  assert.deepEqual([time.body.a.views, time.body.b.views, time.body.lines[0].a.p75], [0, 240, null]);
});

test("JSON and CSV hold the same table", async () => {
  const query = "/api/vitals/routes?site=demo&metric=LCP&by=route,dim.plan";
  const [{ body }, { body: text }] = await Promise.all([get(query), get(`${query}&format=csv`)]);
  const [head, ...rows] = text.trimEnd().split("\r\n").map((/** @type {string} */ row) => row.split(","));
  const table = rows.map((/** @type {string[]} */ row) => Object.fromEntries(head.map((/** @type {string} */ name, /** @type {number} */ column) => [name, row[column]])));
  assert.deepEqual(
    table.map((/** @type {any} */ row) => [row.route, row["dim.plan"], Number(row.n), Number(row.p75), Number(row.p75_high)]),
    body.lines.map((/** @type {any} */ line) => [line.group.route, line.group["dim.plan"], line.n, line.p75, line.p75_interval?.[1] ?? 0]),
  );
});

test("a sketch is returned for exactly one series", async () => {
  const { body } = await get("/api/vitals/distribution?site=demo&metric=LCP&format=sketch");
  // Version and metric precede the counts.
  assert.ok(body.length > 50 && body.length < 1000 && body[0] >> 4 === 1);
  const several = await get("/api/vitals/distribution?site=demo&metric=LCP&by=device&format=sketch");
  assert.deepEqual([several.answer.status, several.body.field], [400, "format"]);
});

test("a current response is revalidated with 304, and a private site's is not cached by intermediaries", async () => {
  const query = "/api/vitals/routes?site=demo&to=1700000000000";
  const { answer } = await get(query);
  assert.match(answer.headers.get("cache-control") ?? "", /^public, max-age=300$/);
  const tag = answer.headers.get("etag") ?? "";
  const again = await get(query, { "if-none-match": `"other", W/${tag}` });
  assert.deepEqual([again.answer.status, await again.answer.text()], [304, ""]);
  assert.equal((await get("/api/vitals/routes?site=shut")).answer.status, 401);
  assert.equal((await get("/api/vitals/routes?site=shut", { authorization: "Bearer tokem" })).answer.status, 401);
  const closed = await get("/api/vitals/routes?site=shut", { authorization: "Bearer token" });
  assert.match(closed.answer.headers.get("cache-control") ?? "", /^private/);
  assert.match(closed.answer.headers.get("vary") ?? "", /authorization/i);
});

test("an invalid parameter is rejected by name", async () => {
  for (const [path, field] of [
    ["series?step=week", "step"],
    ["routes?by=colour", "by"],
    ["routes?by=route,device,nav,net,bot", "by"],
    ["routes?metric=SPEED", "metric"],
    ["routes?limit=0", "limit"],
    ["routes?offset=-1", "offset"],
    ["routes?format=xml", "format"],
    ["routes?from=yesterday", "from"],
    ["summary?device=watch", "device"],
    ["compare?release=1", "b.release"],
  ]) {
    const { answer, body } = await get(`/api/vitals/${path}`);
    assert.deepEqual([answer.status, body.field], [400, field], path);
  }
});

test("each described path responds as described", async () => {
  for (const path of ["/api/vitals/summary", "/api/budgets", "/api/budgets?path=/x", "/api/budgets/limits", "/api/health"]) assert.equal((await get(path)).answer.status, 200);
  assert.equal((await get("/api/vitals/summary?site=nobody")).answer.status, 401);
  const statuses = [];
  for (const [body, query, headers] of /** @type {[string, string, Record<string, string>?][]} */ ([
    [JSON.stringify(beacon()), ""],
    ["{", ""],
    [JSON.stringify(beacon({ seq: 99 })), ""],
    [JSON.stringify(beacon({ site: "nobody" })), ""],
    ["x".repeat(20_000), ""],
    [JSON.stringify({ name: "LCP", id: "v5-1-2", value: 812.5, path: "/" }), "?site=demo"],
    [JSON.stringify(beacon()), "", { origin: "https://elsewhere.example" }],
  ])) {
    statuses.push(await checkIngest(await fetch(`${product.origin}/v1/vitals${query}`, { method: "POST", body, headers: { "user-agent": DESKTOP, ...headers } })));
  }
  assert.deepEqual(statuses, [200, 400, 422, 404, 413, 200, 403]);
});

test("rate limits and storage failures respond as described", async () => {
  mkdirSync("build/few", { recursive: true });
  writeFileSync("build/few/wrangler.toml", readFileSync("wrangler.toml", "utf8").replaceAll('"build/', '"../').replace("limit = 100000,", "limit = 1,"));
  const few = await serve({}, "build/few/wrangler.toml");
  try {
    let answer = await few.send(beacon());
    assert.equal(await checkIngest(answer), 200);
    answer = await few.send(beacon());
    // Where a new minute has just begun, its first beacon is accepted as well.
    if (await checkIngest(answer.clone()) === 200) answer = await few.send(beacon());
    assert.equal(await checkIngest(answer), 429);
    assert.equal(answer.headers.get("retry-after"), "60");
  } finally {
    await few.close();
  }
  const broken = await serve({ SHARDS: "0" });
  try {
    const answer = await broken.send(beacon());
    assert.deepEqual([await checkIngest(answer), answer.headers.get("retry-after")], [503, "5"]);
    for (const path of ["/api/vitals/summary", "/api/budgets"]) {
      const read = await fetch(broken.origin + path);
      assert.ok(document.paths[path].get.responses[read.status] && read.status === 503);
      const valid = ajv.compile({ $ref: "https://doc.invalid/openapi.json#/components/schemas/Problem" });
      assert.ok(valid(await read.json()), ajv.errorsText(valid.errors));
    }
  } finally {
    await broken.close();
  }
});

/** Checks the response to a beacon against the OpenAPI document and returns its status. @param {Response} answer */
async function checkIngest(answer) {
  const description = document.paths["/v1/vitals"].post.responses[answer.status];
  assert.ok(description, `OpenAPI does not describe ${answer.status}`);
  const text = await answer.text();
  // Without a preference the body is empty.
  if (answer.status === 200 && text === "") return 200;
  const name = answer.status === 200 ? "Taken" : "Problem";
  const valid = ajv.compile({ $ref: `https://doc.invalid/openapi.json#/components/schemas/${name}` });
  assert.ok(valid(JSON.parse(text)), ajv.errorsText(valid.errors));
  return answer.status;
}
