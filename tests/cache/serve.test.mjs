// What the cache serves of what an origin answers, through workerd: storing, freshness, validation,
// variants, parts, and what each answer says of itself.
import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { after, before, describe, test } from "node:test";

import { did, filled, gives, site } from "./site.mjs";

/** @type {Awaited<ReturnType<typeof site>>} */
let www;
before(async () => {
  www = await site((url) => ({
    lease_ms: 500,
    largest_bytes: 100_000,
    routes: [
      { host: "www.example", path: "/class/**", origin: url, ttl: "short", tags: ["class"], query: ["page"] },
      { host: "www.example", path: "/private/**", origin: url, bypass: true },
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

describe("an answer is stored, or is not, for its own reasons", () => {
  /** @type {[string, Record<string, string | string[]>, number, string, string?][]} */
  const table = [
    // What, its fields, its status, what the second visitor gets, below which path.
    ["max-age", FRESH, 200, "hit"],
    ["s-maxage", { "cache-control": "s-maxage=60" }, 200, "hit"],
    ["s-maxage above max-age=0", { "cache-control": "max-age=0, s-maxage=60" }, 200, "hit"],
    ["Expires", { expires: "Fri, 31 Dec 9999 23:59:59 GMT" }, 200, "hit"],
    ["Expires that is no date", { expires: "0" }, 200, "miss"],
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
    ["CDN-Cache-Control that is none", { ...FRESH, "cdn-cache-control": "max-age=,no-store" }, 200, "hit"],
    ["an old Age", { ...FRESH, age: "70" }, 200, "miss"],
    ["301", FRESH, 301, "hit"],
    ["302 with max-age", FRESH, 302, "hit"],
    ["302 without", {}, 302, "miss"],
    ["404 with max-age", FRESH, 404, "hit"],
    ["404 without", {}, 404, "hit"],
    ["410 without", {}, 410, "hit"],
    ["404 that is private", { "cache-control": "private" }, 404, "miss"],
    ["204", FRESH, 204, "hit"],
    ["203", FRESH, 203, "hit"],
    ["400", FRESH, 400, "miss"],
    ["403 without", {}, 403, "miss"],
    ["429", FRESH, 429, "miss"],
    ["431", FRESH, 431, "miss"],
    ["500", FRESH, 500, "miss"],
    ["502", FRESH, 502, "miss"],
    ["503", FRESH, 503, "miss"],
    ["599", FRESH, 599, "hit"],
    ["must-understand of a status without rules", { "cache-control": "max-age=60, must-understand" }, 299, "miss"],
    ["must-understand beside no-store", { "cache-control": "max-age=60, must-understand, no-store" }, 200, "hit"],
    ["a tag", { ...FRESH, "cache-tag": "a" }, 200, "hit"],
    ["more tags than can be known", { ...FRESH, "cache-tag": Array.from({ length: 200 }, (_, index) => `t${index}`).join() }, 200, "miss"],
    ["a class", {}, 200, "hit", "/class/"],
    ["a class beside no-store", { "cache-control": "no-store" }, 200, "miss", "/class/"],
    ["a class beside private", { "cache-control": "private" }, 200, "miss", "/class/"],
    ["a class beside a cookie", { "set-cookie": "a=b" }, 200, "miss", "/class/"],
    ["a class and a 302", {}, 302, "miss", "/class/"],
    ["a class and a 500", {}, 500, "miss", "/class/"],
    ["a route that bypasses", FRESH, 200, "bypass", "/private/"],
  ];
  for (const [what, fields, status, expect, under] of table) {
    test(`${what}: ${expect}`, async () => {
      const path = www.page(gives(fields, status === 204 ? "" : `body of ${what}`, status), under);
      const { first, answer } = expect === "hit" ? await filled(www, path) : { first: await www.ask(path), answer: await www.ask(path) };
      assert.equal(did(answer), expect, answer.headers["cache-status"]);
      assert.deepEqual([first.status, answer.status, answer.body], [status, status, first.body]);
      if (expect === "hit") assert.ok(answer.headers.age !== undefined, "a hit says its age");
    });
  }
});

describe("a request is answered from the cache, or is not, for its own reasons", () => {
  /** @type {[string, Record<string, string>, string, string?][]} */
  const table = [
    ["plain", {}, "hit"],
    ["authorized", { authorization: "Bearer x" }, "bypass"],
    ["with a cookie that nobody spoke of", { cookie: "session=1" }, "bypass"],
    ["with a cookie that is ignored", { cookie: "_ga_1=1" }, "hit", "/cookies/"],
    ["with a cookie that is ignored and one that is not", { cookie: "_ga=1; x=2" }, "bypass", "/cookies/"],
    ["with a cookie that bypasses", { cookie: "preview=1" }, "bypass", "/cookies/"],
    ["with If-Match", { "if-match": '"a"' }, "bypass"],
    ["with Cache-Control: no-cache, unheeded", { "cache-control": "no-cache" }, "hit"],
    ["with Pragma, unheeded", { pragma: "no-cache" }, "hit"],
    ["with no-cache, heeded", { "cache-control": "no-cache" }, "miss", "/heeds/"],
    ["with no-store, heeded", { "cache-control": "no-store" }, "bypass", "/heeds/"],
    ["with max-age=0 and age 0, heeded", { "cache-control": "max-age=0" }, "hit", "/heeds/"],
    ["with only-if-cached", { "cache-control": "only-if-cached" }, "hit"],
    ["with an unkeyed field", { "x-forwarded-host": "evil" }, "hit"],
  ];
  for (const [what, headers, expect, under] of table) {
    test(`${what}: ${expect}`, async () => {
      const path = www.page(gives(FRESH), under);
      await filled(www, path);
      assert.equal(did(await www.ask(path, headers)), expect);
    });
  }

  test("only-if-cached of what is not stored is 504, and the origin hears nothing", async () => {
    const path = www.page(gives(FRESH));
    const answer = await www.ask(path, { "cache-control": "only-if-cached" });
    assert.deepEqual([answer.status, www.own.asked(path).length], [504, 0]);
    assert.match(answer.headers["cache-status"], /detail=only-if-cached/);
  });

  test("a HEAD is answered from what a GET stored, and stores nothing itself", async () => {
    const path = www.page(gives(FRESH, "12345"));
    assert.equal(did(await www.ask(path, {}, { method: "HEAD" })), "bypass");
    await filled(www, path);
    const answer = await www.ask(path, {}, { method: "HEAD" });
    assert.deepEqual([did(answer), answer.status, answer.body], ["hit", 200, ""]);
    assert.equal(www.own.asked(path).length, 2);
  });

  test("the parameters that do not matter make no other key", async () => {
    const path = www.page(gives({}), "/class/");
    await filled(www, `${path}?page=1&utm_source=a`);
    assert.equal(did(await www.ask(`${path}?utm_source=b&page=1`)), "hit");
    assert.equal(did(await www.ask(`${path}?page=2`)), "miss");
  });

  test("another host, another answer; and a host without a route is not the cache's", async () => {
    const path = www.page(gives(FRESH));
    await filled(www, path);
    const answer = await www.ask(path, {}, { host: "other.example" });
    assert.deepEqual([answer.status, answer.headers["cache-status"]], [404, undefined]);
  });
});

describe("variants", () => {
  test("each variant is stored and served for itself", async () => {
    const path = www.page(({ headers }, response) => void response.writeHead(200, { ...FRESH, vary: "Accept" }).end(`for ${headers.accept}`));
    for (const accept of ["text/html", "application/json"]) {
      const { answer } = await filled(www, path, { accept });
      assert.deepEqual([did(answer), answer.body], ["hit", `for ${accept}`]);
    }
    assert.equal((await www.ask(path, { accept: "text/html" })).body, "for text/html");
    const other = await www.ask(path, { accept: "text/plain" });
    assert.match(other.headers["cache-status"], /fwd=vary-miss/);
  });

  test("browsers that want the same codings share an answer", async () => {
    const path = www.page(gives({ ...FRESH, vary: "Accept-Encoding", "content-encoding": "gzip" }, gzipSync("packed")));
    await filled(www, path, { "accept-encoding": "gzip, deflate, br, zstd" });
    const answer = await www.ask(path, { "accept-encoding": "zstd, br;q=0.9, gzip;q=0.1" });
    assert.deepEqual([did(answer), answer.headers["content-encoding"], answer.bytes.equals(gzipSync("packed"))], ["hit", "gzip", true]);
    assert.equal(did(await www.ask(path)), "miss", "who cannot read it does not get it");
  });

  test("an origin that compresses and does not say Vary is taken to vary", async () => {
    const path = www.page(({ headers }, response) => {
      if (headers["accept-encoding"]) response.writeHead(200, { ...FRESH, "content-encoding": "gzip" }).end(gzipSync("packed"));
      else response.writeHead(200, FRESH).end("plain");
    });
    await filled(www, path, { "accept-encoding": "gzip" });
    assert.equal((await www.ask(path)).body, "plain");
  });

  test("a keyed field and a keyed cookie make keys, and reach the origin", async () => {
    const country = www.page(({ headers }, response) => void response.writeHead(200, FRESH).end(String(headers["x-country"])), "/country/");
    await filled(www, country, { "x-country": "at" });
    assert.equal((await www.ask(country, { "x-country": "de" })).body, "de");
    assert.equal((await www.ask(country, { "x-country": "at" })).body, "at");
    const theme = www.page(({ headers }, response) => void response.writeHead(200, FRESH).end(String(headers.cookie)), "/cookies/");
    await filled(www, theme, { cookie: "theme=dark; _ga=1" });
    assert.equal((await www.ask(theme, { cookie: "_ga=2; theme=dark" })).body, "theme=dark");
    assert.equal((await www.ask(theme, { cookie: "theme=light" })).body, "theme=light");
  });
});

describe("validation", () => {
  test("what is stale is asked about, and a 304 makes it fresh with new fields", async () => {
    const path = www.page(({ headers }, response) => {
      const known = headers["if-none-match"] === '"a"';
      response.writeHead(known ? 304 : 200, { "cache-control": "no-cache", etag: '"a"', "x-turn": known ? "second" : "first" }).end(known ? undefined : "body");
    });
    await www.ask(path);
    const answer = await www.ask(path);
    assert.deepEqual([answer.status, answer.body, answer.headers["x-turn"]], [200, "body", "second"]);
    assert.match(answer.headers["cache-status"], /fwd=request; .*fwd-status=304|fwd=stale; .*fwd-status=304|fwd-status=304/);
  });

  test("a 304 about something else is not believed: it is fetched whole", async () => {
    let turn = 0;
    const path = www.page(({ headers }, response) => {
      turn += 1;
      if (headers["if-none-match"]) response.writeHead(304, { etag: '"other"' }).end();
      else response.writeHead(200, { "cache-control": "no-cache", etag: '"a"' }).end(`body ${turn}`);
    });
    await www.ask(path);
    assert.equal((await www.ask(path)).body, "body 3");
  });

  test("the visitor's own validators reach nobody, and are answered here", async () => {
    const path = www.page(gives({ ...FRESH, etag: '"a"', "last-modified": DATE }));
    const first = await www.ask(path, { "if-none-match": '"a"' });
    assert.deepEqual([first.status, first.body], [304, ""]);
    await filled(www, path);
    const table = /** @type {[Record<string, string>, number][]} */ ([
      [{ "if-none-match": '"a"' }, 304], [{ "if-none-match": 'W/"a"' }, 304], [{ "if-none-match": '"b", "a"' }, 304],
      [{ "if-none-match": "*" }, 304], [{ "if-none-match": '"b"' }, 200], [{ "if-modified-since": DATE }, 304],
      [{ "if-modified-since": "Sun, 06 Nov 1994 08:49:36 GMT" }, 200], [{ "if-modified-since": "rubbish" }, 200],
      [{ "if-none-match": '"b"', "if-modified-since": DATE }, 200],
    ]);
    for (const [headers, status] of table) assert.equal((await www.ask(path, headers)).status, status, JSON.stringify(headers));
    assert.ok(www.own.asked(path).every(({ headers }) => !headers["if-none-match"] && !headers["if-modified-since"]));
  });

  test("an answer without a name gets one, which the origin never hears", async () => {
    const path = www.page(gives({ "cache-control": "max-age=60, stale-while-revalidate=60", age: "59" }));
    const { answer } = await filled(www, path);
    assert.match(answer.headers.etag, /^"[0-9a-f]{32}"$/);
    assert.equal((await www.ask(path, { "if-none-match": answer.headers.etag })).status, 304);
  });
});

describe("parts", () => {
  test("of what is stored whole", async () => {
    const path = www.page(gives({ ...FRESH, etag: '"a"' }, "0123456789"));
    await filled(www, path);
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
    assert.equal(www.own.asked(path).length, 1);
  });

  test("of what is not stored are the origin's, and are not stored", async () => {
    const path = www.page(({ headers }, response) => {
      if (headers.range) response.writeHead(206, { ...FRESH, "content-range": "bytes 0-1/5" }).end("he");
      else response.writeHead(200, FRESH).end("hello");
    });
    const part = await www.ask(path, { range: "bytes=0-1" });
    assert.deepEqual([part.status, part.body, did(part)], [206, "he", "bypass"]);
    assert.equal((await www.ask(path)).body, "hello");
  });
});

describe("stale", () => {
  test("stale-while-revalidate: served at once, and new for the next", async () => {
    let turn = 0;
    const path = www.page((_, response) => {
      turn += 1;
      response.writeHead(200, { "cache-control": "max-age=60, stale-while-revalidate=60", age: turn === 1 ? "61" : "0" }).end(`turn ${turn}`);
    });
    await www.ask(path);
    const bodies = [];
    for (let answer = await www.ask(path); bodies.length < 500; answer = await www.ask(path)) {
      bodies.push([did(answer), answer.body].join(" "));
      if (did(answer) === "hit") break;
    }
    assert.equal(bodies[0], "stale turn 1");
    assert.equal(bodies.at(-1), "hit turn 2");
    assert.equal(turn, 2, "one request refreshes");
  });

  /** @type {[string, import("./site.mjs").Script][]} */
  const faults = [
    ["is down", (_, response) => void response.destroy()],
    ["answers 500", gives({}, "broken", 500)],
    ["answers 503", gives({}, "broken", 503)],
  ];
  for (const [what, fault] of faults) {
    test(`stale-if-error, where the origin ${what}`, async () => {
      let script = gives({ "cache-control": "max-age=60, stale-if-error=60", age: "61", etag: '"a"' }, "good");
      const path = www.page((request, response) => script(request, response));
      await www.ask(path);
      script = fault;
      // It is stored after it was sent: until then the fault itself is seen.
      let answer = await www.ask(path);
      for (const deadline = Date.now() + 2_000; did(answer) !== "stale" && Date.now() < deadline; ) answer = await www.ask(path);
      assert.deepEqual([answer.status, answer.body, did(answer)], [200, "good", "stale"]);
      assert.match(answer.headers["cache-status"], /detail=stale-if-error/);
    });

    test(`without it, the fault is told, where the origin ${what}`, async () => {
      const path = www.page(fault);
      const answer = await www.ask(path);
      assert.ok(answer.status >= 500 && did(answer) === "miss", `${answer.status}`);
      assert.ok((await www.ask(path)).status >= 500);
    });
  }
});

describe("a key that is much asked for", () => {
  test("is fetched anew in the last tenth of its lifetime, by one request, and nobody waits for it", async () => {
    let asked = 0;
    const path = www.page((_, response) => void response.writeHead(200, { "cache-control": "max-age=20", age: asked ? "0" : "15" }).end(`${(asked += 1)}`));
    await filled(www, path);
    for (let index = 0; index < 10; index += 1) assert.equal(did(await www.ask(path)), "hit");
    assert.equal(asked, 1, "it is asked for much, and has more than a tenth left");
    const deadline = Date.now() + 10_000;
    while (asked === 1 && Date.now() < deadline) {
      const all = await Promise.all(Array.from({ length: 20 }, () => www.ask(path)));
      assert.ok(all.every((answer) => did(answer) === "hit"));
    }
    for (let answer = await www.ask(path); answer.body !== "2"; answer = await www.ask(path)) assert.equal(did(answer), "hit");
    assert.equal(asked, 2);
  });
});

describe("what answers say and hide", () => {
  test("Cache-Status and Server-Timing on each, after what came before", async () => {
    const path = www.page(gives({ ...FRESH, "cache-status": "inner; hit", "server-timing": "db;dur=5", "cache-tag": "a", "surrogate-key": "b" }));
    const { first, answer } = await filled(www, path);
    assert.equal(first.headers["cache-status"], "inner; hit, edge-vitals; fwd=uri-miss; fwd-status=200; stored");
    assert.match(first.headers["server-timing"], /^db;dur=5, edge;desc=miss;dur=\d+, origin;dur=\d+$/);
    assert.match(answer.headers["cache-status"], /^inner; hit, edge-vitals; hit; ttl=(60|59); detail=memory$/);
    assert.match(answer.headers["server-timing"], /^edge;desc=hit;dur=\d+$/);
    for (const shown of [first, answer]) assert.deepEqual([shown.headers["cache-tag"], shown.headers["surrogate-key"]], [undefined, undefined]);
  });

  test("security fields where the origin sends none, and its own where it does", async () => {
    const plain = await www.ask(www.page(gives(FRESH)));
    assert.deepEqual([plain.headers["x-content-type-options"], plain.headers["x-frame-options"]], ["nosniff", "SAMEORIGIN"]);
    const own = await www.ask(www.page(gives({ ...FRESH, "x-frame-options": "DENY" })));
    assert.equal(own.headers["x-frame-options"], "DENY");
  });

  test("what is for the next hop ends here", async () => {
    const answer = await www.ask(www.page(gives({ ...FRESH, connection: "x-hop", "x-hop": "1", "x-end": "2" })));
    assert.deepEqual([answer.headers["x-hop"], answer.headers["x-end"]], [undefined, "2"]);
  });

  test("cookies that are set come one by one", async () => {
    const answer = await www.ask(www.page(gives({ "set-cookie": ["a=b; expires=Sun, 06 Nov 1994 08:49:37 GMT", "c=d"] })));
    const cookies = answer.raw.filter((_, index) => answer.raw[index - 1]?.toLowerCase() === "set-cookie");
    assert.deepEqual(cookies, ["a=b; expires=Sun, 06 Nov 1994 08:49:37 GMT", "c=d"]);
  });
});

describe("HTML gets the client", () => {
  const page = (/** @type {Record<string, string>} */ fields, body = "<html><head><title>x</title></head><body></body></html>") =>
    www.page(gives({ ...FRESH, "content-type": "text/html; charset=utf-8", ...fields }, body), "/html/");

  test("in its head, on a miss and on a hit", async () => {
    const { first, answer } = await filled(www, page({ etag: '"a"' }));
    for (const { body, headers } of [first, answer]) {
      assert.match(body, /<title>x<\/title><script type="module">import \{ start \} from "\/v1\/client.js"; start\(\{ endpoint: "\/v1\/vitals", site: "demo" \}\);<\/script><\/head>/);
      assert.equal(headers.etag, 'W/"a"', "it is no longer the origin's to the byte");
    }
  });

  test("with the nonce of the page's policy", async () => {
    const answer = await www.ask(page({ "content-security-policy": "script-src 'self' 'nonce-abc123='" }));
    assert.match(answer.body, /<script type="module" nonce="abc123=">/);
  });

  test("and nothing else does", async () => {
    const json = await www.ask(www.page(gives({ ...FRESH, "content-type": "application/json" }, "<head></head>"), "/html/"));
    assert.equal(json.body, "<head></head>");
    const missing = await www.ask(www.page(gives({ ...FRESH, "content-type": "text/html" }, "<head></head>", 404), "/html/"));
    assert.equal(missing.body, "<head></head>");
  });
});

describe("writes", () => {
  test("go to the origin whole, and make void what they wrote to", async () => {
    let version = 1;
    const path = www.page(({ method, body }, response) => {
      if (method === "PUT") version = Number(body);
      response.writeHead(200, FRESH).end(`version ${version}`);
    });
    await filled(www, path);
    const put = await www.ask(path, { "content-type": "text/plain" }, { method: "PUT", body: "2" });
    assert.deepEqual([put.status, did(put), www.own.asked(path).at(-1)?.body], [200, "bypass", "2"]);
    assert.equal((await www.ask(path)).body, "version 2");
  });

  test("also what they name as the place of what was written", async () => {
    const place = www.page(gives(FRESH));
    const form = www.page(gives({ location: place, "content-location": "https://elsewhere.example/" }, "", 303));
    await filled(www, place);
    await www.ask(form, {}, { method: "POST", body: "x" });
    assert.equal(did(await www.ask(place)), "miss");
  });

  test("that fail make nothing void", async () => {
    const path = www.page(({ method }, response) => void response.writeHead(method === "GET" ? 200 : 400, FRESH).end("x"));
    await filled(www, path);
    await www.ask(path, {}, { method: "DELETE" });
    assert.equal(did(await www.ask(path)), "hit");
  });

  test("of more bytes than are let through are refused, said or not", async () => {
    const path = www.page(gives({}));
    assert.equal((await www.ask(path, {}, { method: "POST", body: "x".repeat(101) })).status, 413);
    const chunked = await www.ask(path, { "transfer-encoding": "chunked" }, { method: "POST", body: "x".repeat(101) });
    assert.equal(chunked.status, 413);
    assert.equal((await www.ask(path, {}, { method: "POST", body: "x".repeat(100) })).status, 200);
  });

  test("by a method that is not let through are told what is", async () => {
    const answer = await www.ask(www.page(gives({})), {}, { method: "PROPFIND" });
    assert.deepEqual([answer.status, answer.headers.allow], [405, "GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE"]);
  });
});
