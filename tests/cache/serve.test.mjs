// The cache in workerd: storage, freshness, validation, variants, ranges, and the fields that it adds.
import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { after, before, describe, test } from "node:test";

import { cacheStatus, fill, respond, site } from "./site.mjs";

/** @type {Awaited<ReturnType<typeof site>>} */
let www;
before(async () => {
  www = await site((url) => ({
    lease_ms: 500,
    largest_bytes: 100_000,
    routes: [
      { host: "www.example", path: "/class/**", origin: url, ttl: "short", tags: ["class"], query: ["page"] },
      { host: "www.example", path: "/private/**", origin: url, bypass: true },
      { host: "www.example", path: "/cookie-setting/**", origin: url, store_also: ["set-cookie"] },
      { host: "www.example", path: "/authorized/**", origin: url, store_also: ["authorized"] },
      { host: "www.example", path: "/rated/**", origin: url, rate: { requests: 3, per: 3600 } },
      { host: "www.example", path: "/cookies/**", origin: url, cookies: { key: ["theme"], ignore: ["_ga*"], bypass: ["preview"] } },
      { host: "www.example", path: "/country/**", origin: url, key_headers: ["x-country"] },
      { host: "www.example", path: "/html/**", origin: url, inject: "demo" },
      { host: "www.example", path: "/heeds/**", origin: url, heeds_visitors: true },
      { host: "www.example", path: "/**", origin: url, most_body_bytes: 100 },
    ],
  }), { raw: "serve" });
});
after(() => www.close());

const FRESH = { "cache-control": "max-age=60" };
const DATE = "Sun, 06 Nov 1994 08:49:37 GMT";

describe("storage of responses", () => {
  /** @type {[string, Record<string, string | string[]>, number, string, string?][]} */
  const table = [
    // Case, fields, status, cache status of the second request, path prefix.
    ["max-age", FRESH, 200, "hit"],
    ["s-maxage", { "cache-control": "s-maxage=60" }, 200, "hit"],
    ["s-maxage above max-age=0", { "cache-control": "max-age=0, s-maxage=60" }, 200, "hit"],
    ["Expires", { expires: "Fri, 31 Dec 9999 23:59:59 GMT" }, 200, "hit"],
    ["an invalid Expires", { expires: "0" }, 200, "miss"],
    ["nothing", {}, 200, "miss"],
    ["no-store", { "cache-control": "max-age=60, no-store" }, 200, "miss"],
    ["private", { "cache-control": "max-age=60, private" }, 200, "miss"],
    ["PRIVATE in capitals", { "cache-control": "max-age=60, PRIVATE" }, 200, "miss"],
    ["no-cache without a validator", { "cache-control": "no-cache" }, 200, "miss"],
    ["max-age=0", { "cache-control": "max-age=0" }, 200, "miss"],
    ["a cookie", { ...FRESH, "set-cookie": "a=b" }, 200, "miss"],
    ["two cookies", { ...FRESH, "set-cookie": ["a=b", "c=d"] }, 200, "miss"],
    ["Vary: *", { ...FRESH, vary: "*" }, 200, "miss"],
    ["Vary: Cookie", { ...FRESH, vary: "Cookie" }, 200, "miss"],
    ["Vary: User-Agent", { ...FRESH, vary: "User-Agent" }, 200, "miss"],
    ["Vary: Accept", { ...FRESH, vary: "Accept" }, 200, "hit"],
    ["CDN-Cache-Control above no-store", { "cache-control": "no-store", "cdn-cache-control": "max-age=60" }, 200, "hit"],
    ["CDN-Cache-Control: no-store", { ...FRESH, "cdn-cache-control": "no-store" }, 200, "miss"],
    ["an invalid CDN-Cache-Control", { ...FRESH, "cdn-cache-control": "max-age=,no-store" }, 200, "hit"],
    ["an old Age", { ...FRESH, age: "70" }, 200, "miss"],
    ["301", FRESH, 301, "hit"],
    ["302 with max-age", FRESH, 302, "hit"],
    ["302 without", {}, 302, "miss"],
    ["404 with max-age", FRESH, 404, "hit"],
    ["404 without", {}, 404, "hit"],
    ["410 without", {}, 410, "hit"],
    ["a private 404", { "cache-control": "private" }, 404, "miss"],
    ["204", FRESH, 204, "hit"],
    ["203", FRESH, 203, "hit"],
    ["400 with max-age", FRESH, 400, "hit"],
    ["400 without", {}, 400, "miss"],
    ["403 without", {}, 403, "miss"],
    ["429 with max-age", FRESH, 429, "hit"],
    ["429 without", {}, 429, "miss"],
    ["431 with max-age", FRESH, 431, "hit"],
    ["500 with max-age", FRESH, 500, "hit"],
    ["500 without", {}, 500, "miss"],
    ["502 with max-age", FRESH, 502, "hit"],
    ["503 with max-age", FRESH, 503, "hit"],
    ["503 with Last-Modified alone", { "last-modified": DATE }, 503, "miss"],
    ["501 with Last-Modified alone", { "last-modified": DATE }, 501, "hit"],
    ["a lower-case Expires with the name of another day", { expires: "mon, 31 dec 2999 23:59:59 gmt" }, 200, "hit"],
    ["a cookie where a route stores it", { ...FRESH, "set-cookie": "a=b" }, 200, "hit", "/cookie-setting/"],
    ["a cookie where a route stores it, without a lifetime", { "set-cookie": "a=b" }, 200, "miss", "/cookie-setting/"],
    ["599", FRESH, 599, "hit"],
    ["must-understand of a status without rules", { "cache-control": "max-age=60, must-understand" }, 299, "miss"],
    ["must-understand beside no-store", { "cache-control": "max-age=60, must-understand, no-store" }, 200, "hit"],
    ["a tag", { ...FRESH, "cache-tag": "a" }, 200, "hit"],
    ["more tags than the limit", { ...FRESH, "cache-tag": Array.from({ length: 200 }, (_, index) => `t${index}`).join() }, 200, "miss"],
    ["a class", {}, 200, "hit", "/class/"],
    ["a class beside no-store", { "cache-control": "no-store" }, 200, "miss", "/class/"],
    ["a class beside private", { "cache-control": "private" }, 200, "miss", "/class/"],
    ["a class beside a cookie", { "set-cookie": "a=b" }, 200, "miss", "/class/"],
    ["a class and a 302", {}, 302, "miss", "/class/"],
    ["a class and a 500", {}, 500, "miss", "/class/"],
    ["a bypass route", FRESH, 200, "bypass", "/private/"],
  ];
  for (const [name, fields, status, expect, under] of table) {
    test(`${name}: ${expect}`, async () => {
      const path = www.page(respond(fields, status === 204 ? "" : `body of ${name}`, status), under);
      const { first, answer } = expect === "hit" ? await fill(www, path) : { first: await www.ask(path), answer: await www.ask(path) };
      assert.equal(cacheStatus(answer), expect, answer.headers["cache-status"]);
      assert.deepEqual([first.status, answer.status, answer.body], [status, status, first.body]);
      if (expect === "hit") assert.ok(answer.headers.age !== undefined, "a hit carries its age");
    });
  }
});

describe("lookup of requests", () => {
  /** @type {[string, Record<string, string>, string, string?][]} */
  const table = [
    ["plain", {}, "hit"],
    ["authorized", { authorization: "Bearer x" }, "bypass"],
    ["with an unconfigured cookie", { cookie: "session=1" }, "bypass"],
    ["with an ignored cookie", { cookie: "_ga_1=1" }, "hit", "/cookies/"],
    ["with an ignored cookie and another", { cookie: "_ga=1; x=2" }, "bypass", "/cookies/"],
    ["with a cookie that bypasses", { cookie: "preview=1" }, "bypass", "/cookies/"],
    ["with If-Match", { "if-match": '"a"' }, "bypass"],
    ["with Cache-Control: no-cache, ignored", { "cache-control": "no-cache" }, "hit"],
    ["with Pragma, ignored", { pragma: "no-cache" }, "hit"],
    ["with no-cache, honoured", { "cache-control": "no-cache" }, "miss", "/heeds/"],
    ["with no-store, honoured", { "cache-control": "no-store" }, "bypass", "/heeds/"],
    ["with max-age=0 and age 0, honoured", { "cache-control": "max-age=0" }, "hit", "/heeds/"],
    ["with only-if-cached", { "cache-control": "only-if-cached" }, "hit"],
    ["with an unkeyed field", { "x-forwarded-host": "evil" }, "hit"],
  ];
  for (const [name, headers, expect, under] of table) {
    test(`${name}: ${expect}`, async () => {
      const path = www.page(respond(FRESH), under);
      await fill(www, path);
      assert.equal(cacheStatus(await www.ask(path, headers)), expect);
    });
  }

  test("authorized, where the route and the origin share the response", async () => {
    const shared = www.page(({ headers }, response) => void response.writeHead(200, { "cache-control": "public, max-age=60" }).end(`for ${headers.authorization}`), "/authorized/");
    const { answer } = await fill(www, shared, { authorization: "Bearer one" });
    assert.deepEqual([cacheStatus(answer), (await www.ask(shared, { authorization: "Bearer two" })).body], ["hit", "for Bearer one"]);
    const own = www.page(({ headers }, response) => void response.writeHead(200, FRESH).end(`for ${headers.authorization}`), "/authorized/");
    for (const name of ["one", "two"]) assert.equal((await www.ask(own, { authorization: `Bearer ${name}` })).body, `for Bearer ${name}`);
  });

  test("over the rate of the route: 429, also for a hit, and other networks and routes go on", async () => {
    const path = www.page(respond(FRESH), "/rated/");
    const statuses = [];
    for (let sent = 0; sent < 5; sent += 1) statuses.push((await www.ask(path, { "cf-connecting-ip": "192.0.2.7" })).status);
    assert.deepEqual([statuses.slice(0, 3), statuses.at(-1)], [[200, 200, 200], 429]);
    const refused = await www.ask(path, { "cf-connecting-ip": "192.0.2.7" });
    assert.match(refused.headers["cache-status"], /detail=rate/);
    assert.ok(Number(refused.headers["retry-after"]) > 0);
    assert.equal((await www.ask(path, { "cf-connecting-ip": "192.0.2.8" })).status, 200);
    assert.equal((await www.ask(www.page(respond(FRESH)), { "cf-connecting-ip": "192.0.2.7" })).status, 200);
  });

  test("only-if-cached without an entry is 504, without a request to the origin", async () => {
    const path = www.page(respond(FRESH));
    const answer = await www.ask(path, { "cache-control": "only-if-cached" });
    assert.deepEqual([answer.status, www.own.requests(path).length], [504, 0]);
    assert.match(answer.headers["cache-status"], /detail=only-if-cached/);
  });

  test("a HEAD is served from a stored GET, and stores nothing itself", async () => {
    const path = www.page(respond(FRESH, "12345"));
    assert.equal(cacheStatus(await www.ask(path, {}, { method: "HEAD" })), "bypass");
    await fill(www, path);
    const answer = await www.ask(path, {}, { method: "HEAD" });
    assert.deepEqual([cacheStatus(answer), answer.status, answer.body], ["hit", 200, ""]);
    assert.equal(www.own.requests(path).length, 2);
  });

  test("ignored query parameters do not change the key", async () => {
    const path = www.page(respond({}), "/class/");
    await fill(www, `${path}?page=1&utm_source=a`);
    assert.equal(cacheStatus(await www.ask(`${path}?utm_source=b&page=1`)), "hit");
    assert.equal(cacheStatus(await www.ask(`${path}?page=2`)), "miss");
  });

  test("hosts do not share entries, and a host without a route is not cached", async () => {
    const path = www.page(respond(FRESH));
    await fill(www, path);
    const answer = await www.ask(path, {}, { host: "other.example" });
    assert.deepEqual([answer.status, answer.headers["cache-status"]], [404, undefined]);
  });
});

describe("variants", () => {
  test("each variant is stored and served separately", async () => {
    const path = www.page(({ headers }, response) => void response.writeHead(200, { ...FRESH, vary: "Accept" }).end(`for ${headers.accept}`));
    for (const accept of ["text/html", "application/json"]) {
      const { answer } = await fill(www, path, { accept });
      assert.deepEqual([cacheStatus(answer), answer.body], ["hit", `for ${accept}`]);
    }
    assert.equal((await www.ask(path, { accept: "text/html" })).body, "for text/html");
    const other = await www.ask(path, { accept: "text/plain" });
    assert.match(other.headers["cache-status"], /fwd=vary-miss/);
  });

  test("browsers that accept the same codings share an entry", async () => {
    const path = www.page(respond({ ...FRESH, vary: "Accept-Encoding", "content-encoding": "gzip" }, gzipSync("packed")));
    await fill(www, path, { "accept-encoding": "gzip, deflate, br, zstd" });
    const answer = await www.ask(path, { "accept-encoding": "zstd, br;q=0.9, gzip;q=0.1" });
    assert.deepEqual([cacheStatus(answer), answer.headers["content-encoding"], answer.bytes.equals(gzipSync("packed"))], ["hit", "gzip", true]);
    assert.equal(cacheStatus(await www.ask(path)), "miss", "a client without the coding does not get it");
  });

  test("a compressed response without Vary varies by Accept-Encoding all the same", async () => {
    const path = www.page(({ headers }, response) => {
      if (headers["accept-encoding"]) response.writeHead(200, { ...FRESH, "content-encoding": "gzip" }).end(gzipSync("packed"));
      else response.writeHead(200, FRESH).end("plain");
    });
    await fill(www, path, { "accept-encoding": "gzip" });
    assert.equal((await www.ask(path)).body, "plain");
  });

  test("keyed fields and cookies are part of the key and reach the origin", async () => {
    const country = www.page(({ headers }, response) => void response.writeHead(200, FRESH).end(String(headers["x-country"])), "/country/");
    await fill(www, country, { "x-country": "at" });
    assert.equal((await www.ask(country, { "x-country": "de" })).body, "de");
    assert.equal((await www.ask(country, { "x-country": "at" })).body, "at");
    const theme = www.page(({ headers }, response) => void response.writeHead(200, FRESH).end(String(headers.cookie)), "/cookies/");
    await fill(www, theme, { cookie: "theme=dark; _ga=1" });
    assert.equal((await www.ask(theme, { cookie: "_ga=2; theme=dark" })).body, "theme=dark");
    assert.equal((await www.ask(theme, { cookie: "theme=light" })).body, "theme=light");
  });
});

describe("validation", () => {
  test("a stale entry is revalidated, and a 304 refreshes it with new fields", async () => {
    const path = www.page(({ headers }, response) => {
      const matches = headers["if-none-match"] === '"a"';
      response.writeHead(matches ? 304 : 200, { "cache-control": "no-cache", etag: '"a"', "x-turn": matches ? "second" : "first" }).end(matches ? undefined : "body");
    });
    await www.ask(path);
    const answer = await www.ask(path);
    assert.deepEqual([answer.status, answer.body, answer.headers["x-turn"]], [200, "body", "second"]);
    assert.match(answer.headers["cache-status"], /fwd=request; .*fwd-status=304|fwd=stale; .*fwd-status=304|fwd-status=304/);
  });

  test("a 304 with another validator is ignored, and the response is fetched again", async () => {
    let turn = 0;
    const path = www.page(({ headers }, response) => {
      turn += 1;
      if (headers["if-none-match"]) response.writeHead(304, { etag: '"other"' }).end();
      else response.writeHead(200, { "cache-control": "no-cache", etag: '"a"' }).end(`body ${turn}`);
    });
    await www.ask(path);
    assert.equal((await www.ask(path)).body, "body 3");
  });

  test("the visitor's validators do not reach the origin and are evaluated here", async () => {
    const path = www.page(respond({ ...FRESH, etag: '"a"', "last-modified": DATE }));
    const first = await www.ask(path, { "if-none-match": '"a"' });
    assert.deepEqual([first.status, first.body], [304, ""]);
    await fill(www, path);
    const table = /** @type {[Record<string, string>, number][]} */ ([
      [{ "if-none-match": '"a"' }, 304], [{ "if-none-match": 'W/"a"' }, 304], [{ "if-none-match": '"b", "a"' }, 304],
      [{ "if-none-match": "*" }, 304], [{ "if-none-match": '"b"' }, 200], [{ "if-modified-since": DATE }, 304],
      [{ "if-modified-since": "Sun, 06 Nov 1994 08:49:36 GMT" }, 200], [{ "if-modified-since": "rubbish" }, 200],
      [{ "if-none-match": '"b"', "if-modified-since": DATE }, 200],
    ]);
    for (const [headers, status] of table) assert.equal((await www.ask(path, headers)).status, status, JSON.stringify(headers));
    assert.ok(www.own.requests(path).every(({ headers }) => !headers["if-none-match"] && !headers["if-modified-since"]));
  });

  test("a response without a validator gets one, which never reaches the origin", async () => {
    const path = www.page(respond({ "cache-control": "max-age=60, stale-while-revalidate=60", age: "59" }));
    const { answer } = await fill(www, path);
    assert.match(answer.headers.etag, /^"[0-9a-f]{32}"$/);
    assert.equal((await www.ask(path, { "if-none-match": answer.headers.etag })).status, 304);
  });
});

describe("ranges", () => {
  test("of a stored response are served from the cache", async () => {
    const path = www.page(respond({ ...FRESH, etag: '"a"' }, "0123456789"));
    await fill(www, path);
    const table = /** @type {[Record<string, string>, number, string, string?][]} */ ([
      [{ range: "bytes=0-3" }, 206, "0123", "bytes 0-3/10"],
      [{ range: "bytes=7-" }, 206, "789", "bytes 7-9/10"],
      [{ range: "bytes=-2" }, 206, "89", "bytes 8-9/10"],
      [{ range: "bytes=10-" }, 416, "", "bytes */10"],
      [{ range: "bytes=0-1,3-4" }, 200, "0123456789"],
      [{ range: "lines=0-1" }, 200, "0123456789"],
      [{ range: "bytes=0-3", "if-range": '"a"' }, 206, "0123", "bytes 0-3/10"],
      [{ range: "bytes=0-3", "if-range": '"b"' }, 200, "0123456789"],
      [{ range: "bytes=0-3", "if-none-match": '"a"' }, 304, ""],
    ]);
    for (const [headers, status, body, range] of table) {
      const answer = await www.ask(path, headers);
      assert.deepEqual([answer.status, answer.body, answer.headers["content-range"]], [status, body, range], JSON.stringify(headers));
    }
    assert.equal(www.own.requests(path).length, 1);
  });

  test("of an unstored response come from the origin and are not stored", async () => {
    const path = www.page(({ headers }, response) => {
      if (headers.range) response.writeHead(206, { ...FRESH, "content-range": "bytes 0-1/5" }).end("he");
      else response.writeHead(200, FRESH).end("hello");
    });
    const part = await www.ask(path, { range: "bytes=0-1" });
    assert.deepEqual([part.status, part.body, cacheStatus(part)], [206, "he", "bypass"]);
    assert.equal((await www.ask(path)).body, "hello");
  });
});

describe("stale responses", () => {
  test("stale-while-revalidate: served at once, then refreshed", async () => {
    let turn = 0;
    const path = www.page((_, response) => {
      turn += 1;
      response.writeHead(200, { "cache-control": "max-age=60, stale-while-revalidate=60", age: turn === 1 ? "61" : "0" }).end(`turn ${turn}`);
    });
    await www.ask(path);
    const bodies = [];
    for (let answer = await www.ask(path); bodies.length < 500; answer = await www.ask(path)) {
      bodies.push([cacheStatus(answer), answer.body].join(" "));
      if (cacheStatus(answer) === "hit") break;
    }
    assert.equal(bodies[0], "stale turn 1");
    assert.equal(bodies.at(-1), "hit turn 2");
    assert.equal(turn, 2, "one request refreshes");
  });

  /** @type {[string, import("./site.mjs").Script][]} */
  const faults = [
    ["is unreachable", (_, response) => void response.destroy()],
    ["responds with 500", respond({}, "broken", 500)],
    ["responds with 503", respond({}, "broken", 503)],
  ];
  for (const [name, fault] of faults) {
    test(`stale-if-error if the origin ${name}`, async () => {
      let script = respond({ "cache-control": "max-age=60, stale-if-error=60", age: "61", etag: '"a"' }, "good");
      const path = www.page((request, response) => script(request, response));
      await www.ask(path);
      script = fault;
      // The entry is stored after the response is sent; until then the failure is visible.
      let answer = await www.ask(path);
      for (const deadline = Date.now() + 2_000; cacheStatus(answer) !== "stale" && Date.now() < deadline; ) answer = await www.ask(path);
      assert.deepEqual([answer.status, answer.body, cacheStatus(answer)], [200, "good", "stale"]);
      assert.match(answer.headers["cache-status"], /detail=stale-if-error/);
    });

    test(`without stale-if-error the failure is visible if the origin ${name}`, async () => {
      const path = www.page(fault);
      const answer = await www.ask(path);
      assert.ok(answer.status >= 500 && cacheStatus(answer) === "miss", `${answer.status}`);
      assert.ok((await www.ask(path)).status >= 500);
    });
  }
});

describe("a popular key", () => {
  test("is refreshed in the last tenth of its lifetime by one request, without any waiting", async () => {
    let fetches = 0;
    const path = www.page((_, response) => void response.writeHead(200, { "cache-control": "max-age=20", age: fetches ? "0" : "15" }).end(`${(fetches += 1)}`));
    await fill(www, path);
    for (let index = 0; index < 10; index += 1) assert.equal(cacheStatus(await www.ask(path)), "hit");
    assert.equal(fetches, 1, "the key is popular, but more than a tenth of its lifetime remains");
    const deadline = Date.now() + 10_000;
    while (fetches === 1 && Date.now() < deadline) {
      const all = await Promise.all(Array.from({ length: 20 }, () => www.ask(path)));
      assert.ok(all.every((answer) => cacheStatus(answer) === "hit"));
    }
    for (let answer = await www.ask(path); answer.body !== "2"; answer = await www.ask(path)) assert.equal(cacheStatus(answer), "hit");
    assert.equal(fetches, 2);
  });
});

describe("fields of a response", () => {
  test("Cache-Status and Server-Timing are appended to the origin's", async () => {
    const path = www.page(respond({ ...FRESH, "cache-status": "inner; hit", "server-timing": "db;dur=5", "cache-tag": "a", "surrogate-key": "b" }));
    const { first, answer } = await fill(www, path);
    assert.equal(first.headers["cache-status"], "inner; hit, edge-vitals; fwd=uri-miss; fwd-status=200; stored");
    assert.match(first.headers["server-timing"], /^db;dur=5, edge;desc=miss;dur=\d+, origin;dur=\d+$/);
    assert.match(answer.headers["cache-status"], /^inner; hit, edge-vitals; hit; ttl=(60|59); detail=memory$/);
    assert.match(answer.headers["server-timing"], /^edge;desc=hit;dur=\d+$/);
    for (const shown of [first, answer]) assert.deepEqual([shown.headers["cache-tag"], shown.headers["surrogate-key"]], [undefined, undefined]);
  });

  test("security headers are added only if the origin sends none", async () => {
    const plain = await www.ask(www.page(respond(FRESH)));
    assert.deepEqual([plain.headers["x-content-type-options"], plain.headers["x-frame-options"]], ["nosniff", "SAMEORIGIN"]);
    const own = await www.ask(www.page(respond({ ...FRESH, "x-frame-options": "DENY" })));
    assert.equal(own.headers["x-frame-options"], "DENY");
  });

  test("hop-by-hop fields are removed", async () => {
    const answer = await www.ask(www.page(respond({ ...FRESH, connection: "x-hop", "x-hop": "1", "x-end": "2" })));
    assert.deepEqual([answer.headers["x-hop"], answer.headers["x-end"]], [undefined, "2"]);
  });

  test("several Set-Cookie fields stay separate", async () => {
    const answer = await www.ask(www.page(respond({ "set-cookie": ["a=b; expires=Sun, 06 Nov 1994 08:49:37 GMT", "c=d"] })));
    const cookies = answer.raw.filter((_, index) => answer.raw[index - 1]?.toLowerCase() === "set-cookie");
    assert.deepEqual(cookies, ["a=b; expires=Sun, 06 Nov 1994 08:49:37 GMT", "c=d"]);
  });
});

describe("the client is injected into HTML", () => {
  const page = (/** @type {Record<string, string>} */ fields, body = "<html><head><title>x</title></head><body></body></html>") =>
    www.page(respond({ ...FRESH, "content-type": "text/html; charset=utf-8", ...fields }, body), "/html/");

  test("in its head, on a miss and on a hit", async () => {
    const { first, answer } = await fill(www, page({ etag: '"a"' }));
    for (const { body, headers } of [first, answer]) {
      assert.match(body, /<title>x<\/title><script type="module">import \{ start \} from "\/v1\/client.js"; start\(\{ endpoint: "\/v1\/vitals", site: "demo" \}\);<\/script><\/head>/);
      assert.equal(headers.etag, 'W/"a"', "the body no longer equals the origin's");
    }
  });

  test("with the nonce of the page's policy", async () => {
    const answer = await www.ask(page({ "content-security-policy": "script-src 'self' 'nonce-abc123='" }));
    assert.match(answer.body, /<script type="module" nonce="abc123=">/);
  });

  test("and into nothing else", async () => {
    const json = await www.ask(www.page(respond({ ...FRESH, "content-type": "application/json" }, "<head></head>"), "/html/"));
    assert.equal(json.body, "<head></head>");
    const missing = await www.ask(www.page(respond({ ...FRESH, "content-type": "text/html" }, "<head></head>", 404), "/html/"));
    assert.equal(missing.body, "<head></head>");
  });
});

describe("writes", () => {
  test("pass through completely and invalidate their URL", async () => {
    let version = 1;
    const path = www.page(({ method, body }, response) => {
      if (method === "PUT") version = Number(body);
      response.writeHead(200, FRESH).end(`version ${version}`);
    });
    await fill(www, path);
    const put = await www.ask(path, { "content-type": "text/plain" }, { method: "PUT", body: "2" });
    assert.deepEqual([put.status, cacheStatus(put), www.own.requests(path).at(-1)?.body], [200, "bypass", "2"]);
    assert.equal((await www.ask(path)).body, "version 2");
  });

  test("invalidate the URL in Location, too", async () => {
    const place = www.page(respond(FRESH));
    const form = www.page(respond({ location: place, "content-location": "https://elsewhere.example/" }, "", 303));
    await fill(www, place);
    await www.ask(form, {}, { method: "POST", body: "x" });
    assert.equal(cacheStatus(await www.ask(place)), "miss");
  });

  test("that fail invalidate nothing", async () => {
    const path = www.page(({ method }, response) => void response.writeHead(method === "GET" ? 200 : 400, FRESH).end("x"));
    await fill(www, path);
    await www.ask(path, {}, { method: "DELETE" });
    assert.equal(cacheStatus(await www.ask(path)), "hit");
  });

  test("above the body limit are rejected, with and without Content-Length", async () => {
    const path = www.page(respond({}));
    assert.equal((await www.ask(path, {}, { method: "POST", body: "x".repeat(101) })).status, 413);
    const chunked = await www.ask(path, { "transfer-encoding": "chunked" }, { method: "POST", body: "x".repeat(101) });
    assert.equal(chunked.status, 413);
    assert.equal((await www.ask(path, {}, { method: "POST", body: "x".repeat(100) })).status, 200);
  });

  test("with a disallowed method get the allowed ones", async () => {
    const answer = await www.ask(www.page(respond({})), {}, { method: "PROPFIND" });
    assert.deepEqual([answer.status, answer.headers.allow], [405, "GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE"]);
  });
});
