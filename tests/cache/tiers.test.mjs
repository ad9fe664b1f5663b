// The tiers below memory, purges, and the management API of the deployed Worker, with the Cache API, KV
// and the purge clock.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";

import { cacheStatus, createChecker, fill, respond, site, TOKEN } from "./site.mjs";

/** @type {Awaited<ReturnType<typeof site>>} */
let www;
before(async () => {
  www = await site((url) => ({
    lease_ms: 300,
    routes: [
      { host: "www.example", path: "/users/{id}", origin: url, ttl: "medium", tags: ["user:{id}", "users"] },
      { host: "www.example", path: "/stale/**", origin: url, ttl: "short", stale_while_revalidate: 60 },
      { host: "www.example", path: "/**", origin: url },
    ],
  }));
});
after(() => www.close());

const FRESH = { "cache-control": "max-age=60" };

/** Creates a path whose body is the number of its requests. */
const countRequests = (fields = /** @type {Record<string, string>} */ (FRESH), under = "/") => {
  let fetches = 0;
  return www.page((_, response) => void response.writeHead(200, fields).end(`${(fetches += 1)}`), under);
};

describe("a purge", () => {
  test("of a URL removes its entry, but not its neighbour", async () => {
    const [path, neighbour] = [countRequests(), countRequests()];
    await fill(www, path);
    await fill(www, neighbour);
    const purged = await www.manage("purge", { url: `http://www.example${path}` });
    assert.deepEqual([purged.status, JSON.parse(purged.body).purged], [200, true]);
    assert.equal((await www.ask(path)).body, "2");
    assert.equal((await www.ask(neighbour)).body, "1");
  });

  test("of a tag removes every entry with the origin's or the route's tag", async () => {
    const tagged = countRequests({ ...FRESH, "cache-tag": "red, blue" });
    const keyed = countRequests({ ...FRESH, "surrogate-key": "green red" });
    const plain = countRequests();
    www.own.on("/users/7", respond({}, "seven"));
    for (const path of [tagged, keyed, plain, "/users/7"]) await fill(www, path);
    await www.manage("purge", { tag: "red" });
    assert.equal((await www.ask(tagged)).body, "2");
    assert.equal((await www.ask(keyed)).body, "2");
    assert.equal((await www.ask(plain)).body, "1");
    assert.equal(cacheStatus(await www.ask("/users/7")), "hit");
    await www.manage("purge", { tag: "user:7" });
    assert.equal(cacheStatus(await www.ask("/users/7")), "miss");
  });

  test("of a prefix removes all entries below it", async () => {
    const [below, beside] = [countRequests(FRESH, "/blog/a/"), countRequests(FRESH, "/blog-b/")];
    await fill(www, below);
    await fill(www, beside);
    await www.manage("purge", { prefix: "http://www.example/blog/" });
    assert.equal((await www.ask(below)).body, "2");
    assert.equal((await www.ask(beside)).body, "1");
  });

  test("of everything removes every entry", async () => {
    const paths = [countRequests(), countRequests({ ...FRESH, "cache-tag": "x" })];
    for (const path of paths) await fill(www, path);
    await www.manage("purge", { all: true });
    for (const path of paths) assert.equal((await www.ask(path)).body, "2");
  });

  test("that is soft serves stale responses while they are refreshed", async () => {
    const path = countRequests({}, "/stale/");
    await fill(www, path);
    await www.manage("purge", { url: `http://www.example${path}`, soft: true });
    const answer = await www.ask(path);
    assert.deepEqual([cacheStatus(answer), answer.body], ["stale", "1"]);
    for (let answer = await www.ask(path); cacheStatus(answer) !== "hit"; answer = await www.ask(path));
    assert.equal((await www.ask(path)).body, "2");
  });

  test("invalidates a response in flight", async () => {
    let fetches = 0;
    /** @type {() => void} */
    let release = () => {};
    const arrived = new Promise((/** @type {(value?: undefined) => void} */ resolve) => {
      www.own.on("/on-its-way", async (_, response) => {
        const turn = (fetches += 1);
        if (turn === 1) {
          resolve();
          await new Promise((/** @type {(value?: undefined) => void} */ done) => (release = done));
        }
        response.writeHead(200, { ...FRESH, "cache-tag": "way" }).end(`${turn}`);
      });
    });
    const first = www.ask("/on-its-way");
    await arrived;
    await www.manage("purge", { tag: "way" });
    release();
    assert.equal((await first).body, "1", "the earlier request gets the earlier response");
    assert.equal((await www.ask("/on-its-way")).body, "2");
  });
});

describe("without memory", () => {
  /** @type {Awaited<ReturnType<typeof site>>} */
  let cold;
  before(async () => {
    cold = await site((url) => ({ memory_bytes: 0, lease_ms: 300, routes: [{ host: "www.example", path: "/**", origin: url }] }));
  });
  after(() => cold.close());

  test("the Cache API serves a hit and is named as its tier", async () => {
    const path = cold.page(respond({ ...FRESH, "x-own": "1" }, "body", 203));
    const { answer } = await fill(cold, path);
    assert.deepEqual([cacheStatus(answer), answer.status, answer.body, answer.headers["x-own"]], ["hit", 203, "body", "1"]);
    assert.match(answer.headers["cache-status"], /hit; ttl=\d+; detail=colo/);
  });

  test("each variant is stored separately", async () => {
    const path = cold.page(({ headers }, response) => void response.writeHead(200, { ...FRESH, vary: "Accept-Language" }).end(`in ${headers["accept-language"]}`));
    for (const language of ["de", "fr", "de", "fr"]) assert.equal((await fill(cold, path, { "accept-language": language })).answer.body, `in ${language}`);
    // The first request left the language out, because no response of the route has varied on it before.
    assert.equal(cold.own.requests(path).length, 3);
  });

  test("purges apply", async () => {
    const path = cold.page(respond({ ...FRESH, "cache-tag": "red" }));
    await fill(cold, path);
    await cold.manage("purge", { tag: "red" });
    assert.equal(cacheStatus(await cold.ask(path)), "miss");
  });

  test("ranges are served", async () => {
    const path = cold.page(respond({ ...FRESH }, "0123456789"));
    await fill(cold, path);
    assert.equal((await cold.ask(path, { range: "bytes=2-4" })).body, "234");
  });
});

describe("the management API", () => {
  test("requires the token", async () => {
    for (const headers of [{}, { authorization: "Bearer " }, { authorization: `Bearer ${TOKEN}x` }, { authorization: TOKEN }]) {
      for (const [action, body] of [["purge", { all: true }], ["warm", "x"], ["analytics"], ["explain?url=http://www.example/"]]) {
        const answer = await www.manage(/** @type {string} */ (action), body, /** @type {any} */ (headers));
        assert.deepEqual([answer.status, answer.headers["www-authenticate"]], [401, "Bearer"], JSON.stringify(headers));
      }
    }
  });

  test("rejects invalid requests with the reason", async () => {
    const table = /** @type {[any, RegExp][]} */ ([
      ["{", /invalid purge/], [{}, /exactly one of/], [{ url: "http://a/", tag: "b" }, /exactly one of/], [{ prefix: "http://www.example/a" }, /must end with a slash/],
      [{ tagz: ["a"] }, /unknown field `tagz`/], [{ tags: [] }, /exactly one of/], [{ tag: "a", tags: ["a"] }, /tags must be the only target/], [{ tag: "" }, /exactly one of/],
    ]);
    for (const [body, message] of table) {
      const answer = await www.manage("purge", body);
      assert.equal(answer.status, 400);
      assert.match(JSON.parse(answer.body).detail, message);
    }
    assert.equal((await www.manage("nothing")).status, 404);
    assert.deepEqual([(await www.manage("purge")).status, (await www.manage("purge")).headers.allow], [405, "POST"]);
    assert.equal((await www.manage("warm?strategy=magic", "x")).status, 400);
    assert.equal((await www.manage("explain?url=http://elsewhere.invalid/")).status, 404);
  });

  test("responds as /api/openapi.json describes", async () => {
    const check = await createChecker(www.product.origin);
    const path = countRequests({ ...FRESH, "cache-tag": "described" });
    await fill(www, path);
    check("get", "analytics", await www.manage("analytics"));
    for (const query of [`url=http://www.example${path}`, `url=http://www.example${path}&header=authorization:x`, "url=http://elsewhere.invalid/", ""]) {
      check("get", "explain", await www.manage(`explain?${query}`));
    }
    for (const body of [{ tag: "described" }, { url: `http://www.example${path}`, soft: true }, {}]) check("post", "purge", await www.manage("purge", body));
    for (const strategy of ["listed", "popular", "predicted", "magic"]) check("post", "warm", await www.manage(`warm?strategy=${strategy}`, strategy === "listed" ? `http://www.example${path}` : ""));
    check("get", "analytics", await www.manage("analytics", undefined, {}));
  });

  test("accepts the examples of the documentation", async () => {
    const document = readFileSync(new URL("../../docs/cache.md", import.meta.url), "utf8");
    const bodies = [...document.matchAll(/api\/cache\/purge .* -d '(.*)'$/gm)].map(([, body]) => body);
    assert.equal(bodies.length, 4);
    for (const body of bodies) assert.equal((await www.manage("purge", body)).status, 200, body);
  });

  test("explains a decision rule by rule without side effects", async () => {
    const path = countRequests({ ...FRESH, "cache-tag": "red" });
    const explain = async () => JSON.parse((await www.manage(`explain?url=http://www.example${path}`)).body);
    assert.deepEqual(await explain().then(({ does, because }) => [does, because]), ["fetch", ["nothing is stored under this key (RFC 9111 §3)."]]);
    assert.equal(www.own.requests(path).length, 0);
    await fill(www, path);
    const hit = await explain();
    assert.deepEqual(hit.assumed, ["accept", "accept-language", "sec-fetch-dest", "sec-fetch-mode", "sec-fetch-site", "upgrade-insecure-requests"], "a browser's request");
    const given = JSON.parse((await www.manage(`explain?url=http://www.example${path}&header=accept:image/png`)).body);
    assert.ok(given.request.includes("accept: image/png") && !given.assumed.includes("accept"), JSON.stringify(given));
    assert.deepEqual([hit.does, hit.stored.tags, hit.route], ["serve", ["red"], "/**"]);
    assert.match(hit.because[0], /^the response is \d+ s old and fresh for 60 s, by max-age \(RFC 9111 §4\.2\)\.$/);
    const authorized = JSON.parse((await www.manage(`explain?url=http://www.example${path}&header=authorization:x`)).body);
    assert.deepEqual([authorized.does, authorized.because], ["pass", ["the request has Authorization, so its response is not shared (RFC 9111 §3.5)."]]);
  });

  test("warms URLs from lines or from a sitemap", async () => {
    const paths = [countRequests(), countRequests(), countRequests()];
    const lines = await www.manage("warm?strategy=listed", `http://www.example${paths[0]}\nhttp://elsewhere.invalid/\n`);
    assert.deepEqual(JSON.parse(lines.body), { warmed: 1, fresh: 0, failed: 0, foreign: 1, left: 0 });
    const sitemap = paths.map((path) => `<url><loc>http://www.example${path}</loc></url>`).join("");
    const answer = await www.manage("warm", `<urlset>${sitemap}</urlset>`);
    assert.deepEqual(JSON.parse(answer.body), { warmed: 2, fresh: 1, failed: 0, foreign: 0, left: 0 });
    for (const path of paths) assert.equal(cacheStatus(await www.ask(path)), "hit");
    const limited = await www.manage("warm?most=1", `http://www.example${countRequests()}\nhttp://www.example${countRequests()}`);
    assert.equal(JSON.parse(limited.body).warmed, 1);
  });

  test("counts requests and records its calls", async () => {
    const path = countRequests();
    await fill(www, path);
    await www.ask(path, { authorization: "x" });
    const { v, routes, tiers, misses, bypassed, classes, ages, keys, purges, calls } = JSON.parse((await www.manage("analytics")).body);
    assert.equal(v, 1);
    const route = routes.find((/** @type {any} */ line) => line.route === path);
    assert.deepEqual([route.site, route.misses, route.bypassed], ["demo", 1, 1]);
    assert.ok(route.hits > 0 && route.bytes > 0 && route.origin_p50 !== null && route.saved_ms === route.hits * route.origin_p50, JSON.stringify(route));
    assert.equal(route.hit_ratio, route.hits / (route.hits + 1));
    const names = (/** @type {any[]} */ lines, /** @type {string} */ key) => new Set(lines.map((line) => line[key]));
    assert.ok(names(tiers, "tier").has("memory") && names(misses, "reason").has("stored") && names(bypassed, "reason").has("authorization"));
    assert.ok(names(classes, "class").has("short") && names(classes, "class").has("medium"), JSON.stringify(classes));
    assert.ok(ages.length > 0 && names(keys, "key").has(`http://www.example${path}`), JSON.stringify(keys));
    assert.ok(purges.count > 0 && purges.lag_ms.length > 0, JSON.stringify(purges));
    assert.ok(calls.some((/** @type {any} */ call) => call.action === "purge" && call.what.includes("user:7") && call.outcome === "200"));
  });
});
