// The tiers below memory, purges, and the management calls: the Worker as it is deployed, with the Cache
// API, KV and the clock's object.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";

import { described, did, filled, gives, site, TOKEN } from "./site.mjs";

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

/** A path whose body counts how often it was asked for. */
const counting = (fields = /** @type {Record<string, string>} */ (FRESH), under = "/") => {
  let asked = 0;
  return www.page((_, response) => void response.writeHead(200, fields).end(`${(asked += 1)}`), under);
};

describe("a purge", () => {
  test("of an address takes it, and its neighbour stays", async () => {
    const [path, neighbour] = [counting(), counting()];
    await filled(www, path);
    await filled(www, neighbour);
    const purged = await www.manage("purge", { url: `http://www.example${path}` });
    assert.deepEqual([purged.status, JSON.parse(purged.body).purged], [200, true]);
    assert.equal((await www.ask(path)).body, "2");
    assert.equal((await www.ask(neighbour)).body, "1");
  });

  test("of a tag takes all that carries it: the origin's, and the route's", async () => {
    const tagged = counting({ ...FRESH, "cache-tag": "red, blue" });
    const keyed = counting({ ...FRESH, "surrogate-key": "green red" });
    const plain = counting();
    www.own.on("/users/7", gives({}, "seven"));
    for (const path of [tagged, keyed, plain, "/users/7"]) await filled(www, path);
    await www.manage("purge", { tag: "red" });
    assert.equal((await www.ask(tagged)).body, "2");
    assert.equal((await www.ask(keyed)).body, "2");
    assert.equal((await www.ask(plain)).body, "1");
    assert.equal(did(await www.ask("/users/7")), "hit");
    await www.manage("purge", { tag: "user:7" });
    assert.equal(did(await www.ask("/users/7")), "miss");
  });

  test("of a prefix takes all below it", async () => {
    const [below, beside] = [counting(FRESH, "/blog/a/"), counting(FRESH, "/blog-b/")];
    await filled(www, below);
    await filled(www, beside);
    await www.manage("purge", { prefix: "http://www.example/blog/" });
    assert.equal((await www.ask(below)).body, "2");
    assert.equal((await www.ask(beside)).body, "1");
  });

  test("of all takes all", async () => {
    const paths = [counting(), counting({ ...FRESH, "cache-tag": "x" })];
    for (const path of paths) await filled(www, path);
    await www.manage("purge", { all: true });
    for (const path of paths) assert.equal((await www.ask(path)).body, "2");
  });

  test("that is soft serves what is stale while it is fetched anew", async () => {
    const path = counting({}, "/stale/");
    await filled(www, path);
    await www.manage("purge", { url: `http://www.example${path}`, soft: true });
    const answer = await www.ask(path);
    assert.deepEqual([did(answer), answer.body], ["stale", "1"]);
    for (let answer = await www.ask(path); did(answer) !== "hit"; answer = await www.ask(path));
    assert.equal((await www.ask(path)).body, "2");
  });

  test("while an answer is on its way makes that answer void", async () => {
    let asked = 0;
    /** @type {() => void} */
    let go = () => {};
    const isAsked = new Promise((/** @type {(value?: undefined) => void} */ resolve) => {
      www.own.on("/on-its-way", async (_, response) => {
        const turn = (asked += 1);
        if (turn === 1) {
          resolve();
          await new Promise((/** @type {(value?: undefined) => void} */ done) => (go = done));
        }
        response.writeHead(200, { ...FRESH, "cache-tag": "way" }).end(`${turn}`);
      });
    });
    const first = www.ask("/on-its-way");
    await isAsked;
    await www.manage("purge", { tag: "way" });
    go();
    assert.equal((await first).body, "1", "who asked before gets what was then");
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

  test("the Cache API has it, and says so", async () => {
    const path = cold.page(gives({ ...FRESH, "x-own": "1" }, "body", 203));
    const { answer } = await filled(cold, path);
    assert.deepEqual([did(answer), answer.status, answer.body, answer.headers["x-own"]], ["hit", 203, "body", "1"]);
    assert.match(answer.headers["cache-status"], /hit; ttl=\d+; detail=colo/);
  });

  test("it has each variant for itself", async () => {
    const path = cold.page(({ headers }, response) => void response.writeHead(200, { ...FRESH, vary: "Accept-Language" }).end(`in ${headers["accept-language"]}`));
    for (const language of ["de", "fr", "de", "fr"]) assert.equal((await filled(cold, path, { "accept-language": language })).answer.body, `in ${language}`);
    assert.equal(cold.own.asked(path).length, 2);
  });

  test("purges hold there too", async () => {
    const path = cold.page(gives({ ...FRESH, "cache-tag": "red" }));
    await filled(cold, path);
    await cold.manage("purge", { tag: "red" });
    assert.equal(did(await cold.ask(path)), "miss");
  });

  test("a part of it is a part", async () => {
    const path = cold.page(gives({ ...FRESH }, "0123456789"));
    await filled(cold, path);
    assert.equal((await cold.ask(path, { range: "bytes=2-4" })).body, "234");
  });
});

describe("the management calls", () => {
  test("open to nobody without the token", async () => {
    for (const headers of [{}, { authorization: "Bearer " }, { authorization: `Bearer ${TOKEN}x` }, { authorization: TOKEN }]) {
      for (const [action, body] of [["purge", { all: true }], ["warm", "x"], ["analytics"], ["explain?url=http://www.example/"]]) {
        const answer = await www.manage(/** @type {string} */ (action), body, /** @type {any} */ (headers));
        assert.deepEqual([answer.status, answer.headers["www-authenticate"]], [401, "Bearer"], JSON.stringify(headers));
      }
    }
  });

  test("say what is wrong with them", async () => {
    const table = /** @type {[any, RegExp][]} */ ([
      ["{", /invalid purge/], [{}, /exactly one of/], [{ url: "http://a/", tag: "b" }, /exactly one of/], [{ prefix: "http://www.example/a" }, /must end with a slash/],
      [{ tags: ["a"] }, /unknown field `tags`/], [{ tag: "" }, /exactly one of/],
    ]);
    for (const [body, says] of table) {
      const answer = await www.manage("purge", body);
      assert.equal(answer.status, 400);
      assert.match(JSON.parse(answer.body).detail, says);
    }
    assert.equal((await www.manage("nothing")).status, 404);
    assert.deepEqual([(await www.manage("purge")).status, (await www.manage("purge")).headers.allow], [405, "POST"]);
    assert.equal((await www.manage("warm?strategy=magic", "x")).status, 400);
    assert.equal((await www.manage("explain?url=http://elsewhere.invalid/")).status, 404);
  });

  test("are what /api/openapi.json describes", async () => {
    const told = await described(www.product.origin);
    const path = counting({ ...FRESH, "cache-tag": "described" });
    await filled(www, path);
    told("get", "analytics", await www.manage("analytics"));
    for (const query of [`url=http://www.example${path}`, `url=http://www.example${path}&header=authorization:x`, "url=http://elsewhere.invalid/", ""]) {
      told("get", "explain", await www.manage(`explain?${query}`));
    }
    for (const body of [{ tag: "described" }, { url: `http://www.example${path}`, soft: true }, {}]) told("post", "purge", await www.manage("purge", body));
    for (const strategy of ["listed", "popular", "predicted", "magic"]) told("post", "warm", await www.manage(`warm?strategy=${strategy}`, strategy === "listed" ? `http://www.example${path}` : ""));
    told("get", "analytics", await www.manage("analytics", undefined, {}));
  });

  test("take what the document shows", async () => {
    const document = readFileSync(new URL("../../docs/cache.md", import.meta.url), "utf8");
    const bodies = [...document.matchAll(/api\/cache\/purge .* -d '(.*)'$/gm)].map(([, body]) => body);
    assert.equal(bodies.length, 4);
    for (const body of bodies) assert.equal((await www.manage("purge", body)).status, 200, body);
  });

  test("explain a decision, rule by rule, and change nothing", async () => {
    const path = counting({ ...FRESH, "cache-tag": "red" });
    const explain = async () => JSON.parse((await www.manage(`explain?url=http://www.example${path}`)).body);
    assert.deepEqual(await explain().then(({ does, because }) => [does, because]), ["fetch", ["nothing is stored under this key (RFC 9111 §3)."]]);
    assert.equal(www.own.asked(path).length, 0);
    await filled(www, path);
    const hit = await explain();
    assert.deepEqual([hit.does, hit.stored.tags, hit.route], ["serve", ["red"], "/**"]);
    assert.match(hit.because[0], /^the response is \d+ s old and fresh for 60 s, by max-age \(RFC 9111 §4\.2\)\.$/);
    const authorized = JSON.parse((await www.manage(`explain?url=http://www.example${path}&header=authorization:x`)).body);
    assert.deepEqual([authorized.does, authorized.because], ["pass", ["the request has Authorization, so its response is not shared (RFC 9111 §3.5)."]]);
  });

  test("warm what is listed, as lines or as a sitemap", async () => {
    const paths = [counting(), counting(), counting()];
    const lines = await www.manage("warm?strategy=listed", `http://www.example${paths[0]}\nhttp://elsewhere.invalid/\n`);
    assert.deepEqual(JSON.parse(lines.body), { warmed: 1, fresh: 0, failed: 0, foreign: 1, left: 0 });
    const sitemap = paths.map((path) => `<url><loc>http://www.example${path}</loc></url>`).join("");
    const answer = await www.manage("warm", `<urlset>${sitemap}</urlset>`);
    assert.deepEqual(JSON.parse(answer.body), { warmed: 2, fresh: 1, failed: 0, foreign: 0, left: 0 });
    for (const path of paths) assert.equal(did(await www.ask(path)), "hit");
    const least = await www.manage("warm?most=1", `http://www.example${counting()}\nhttp://www.example${counting()}`);
    assert.equal(JSON.parse(least.body).warmed, 1);
  });

  test("count what was done, and record who called for what", async () => {
    const path = counting();
    await filled(www, path);
    await www.ask(path, { authorization: "x" });
    const { v, routes, tiers, misses, bypassed, classes, ages, keys, purges, calls } = JSON.parse((await www.manage("analytics")).body);
    assert.equal(v, 1);
    const of = routes.find((/** @type {any} */ line) => line.route === path);
    assert.deepEqual([of.site, of.misses, of.bypassed], ["demo", 1, 1]);
    assert.ok(of.hits > 0 && of.bytes > 0 && of.origin_p50 !== null && of.saved_ms === of.hits * of.origin_p50, JSON.stringify(of));
    assert.equal(of.hit_ratio, of.hits / (of.hits + 1));
    const names = (/** @type {any[]} */ lines, /** @type {string} */ key) => new Set(lines.map((line) => line[key]));
    assert.ok(names(tiers, "tier").has("memory") && names(misses, "reason").has("stored") && names(bypassed, "reason").has("authorization"));
    assert.ok(names(classes, "class").has("short") && names(classes, "class").has("medium"), JSON.stringify(classes));
    assert.ok(ages.length > 0 && names(keys, "key").has(`http://www.example${path}`), JSON.stringify(keys));
    assert.ok(purges.count > 0 && purges.lag_ms.length > 0, JSON.stringify(purges));
    assert.ok(calls.some((/** @type {any} */ call) => call.action === "purge" && call.what.includes("user:7") && call.outcome === "200"));
  });
});
