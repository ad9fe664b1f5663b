// Poisoning and deception: what one visitor sends must not become what others get, and what is for one
// visitor must not be stored. Byte for byte, on raw workerd.
import assert from "node:assert/strict";
import net from "node:net";
import { after, before, describe, test } from "node:test";

import { did, filled, gives, site } from "./site.mjs";

/** @type {Awaited<ReturnType<typeof site>>} */
let www;
before(async () => {
  www = await site(
    (url) => ({
      routes: [
        { host: "www.example", path: "/class/**", origin: url, ttl: "long", cookies: { ignore: ["_ga"] } },
        { host: "www.example", path: "/**", origin: url },
      ],
    }),
    { raw: "safety" },
  );
});
after(() => www.close());

const FRESH = { "cache-control": "max-age=60" };
const SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: www.example\r\n\r\n";

describe("an origin that reflects a field is not poisoned by it", () => {
  const fields = [
    "x-forwarded-host", "x-forwarded-proto", "x-forwarded-scheme", "x-forwarded-port", "x-forwarded-prefix", "x-forwarded-server",
    "x-forwarded-for", "x-host", "x-original-url", "x-original-host", "x-rewrite-url", "x-override-url", "x-http-method-override",
    "x-http-method", "x-method-override", "x-real-ip", "true-client-ip", "x-client-ip", "forwarded", "via", "referer", "x-anything",
    "x-amz-website-redirect-location", "x-wap-profile", "cf-connecting-ip", "te", "range", "if-range", "if-none-match", "x-nonce", "user-agent", "traceparent",
    "x-forwarded-ssl", "x-forwarded", "forwarded-host", "x-http-host-override", "x-backend-host", "base-url", "request-uri", "x-url-scheme", "front-end-https", "x-proxy-url",
    "x-requested-with", "content-type", "accept-charset", "save-data", "sec-ch-ua", "sec-purpose", "purpose", "max-forwards", "pragma", "cache-control", "expect", "priority",
    // What frameworks take for a word among themselves.
    "rsc", "next-router-prefetch", "x-nextjs-data", "x-middleware-prefetch", "x-middleware-subrequest", "x-invoke-path", "x-now-route-matches", "x-matched-path", "x-turbo-frame", "hx-request", "x-inertia",
  ];
  for (const field of fields) {
    test(field, async () => {
      const path = www.page(({ headers }, response) => void response.writeHead(200, FRESH).end(`reflects ${headers[field]}`));
      // A range would go past the cache; the others fill it.
      await www.ask(path, { [field]: field === "expect" ? "100-continue" : "evil.example" });
      const { answer } = await filled(www, path);
      assert.equal(did(answer), "hit");
      assert.ok(!answer.body.includes("evil"), answer.body);
    });
  }
});

describe("what is negotiated by", () => {
  for (const field of ["accept", "accept-language", "origin"]) {
    test(`${field} reaches no origin where it could be markup`, async () => {
      const path = www.page(({ headers }, response) => void response.writeHead(200, FRESH).end(`reflects ${headers[field]}`));
      await www.ask(path, { [field]: "<script>evil</script>" });
      assert.equal((await filled(www, path)).answer.body, "reflects undefined");
    });
  }

  test("an answer that lets one origin's pages read it locks out no other", async () => {
    const path = www.page(({ headers }, response) => void response.writeHead(200, { ...FRESH, "access-control-allow-origin": String(headers.origin) }).end());
    for (const origin of ["https://evil.example", "https://good.example"]) {
      assert.equal((await filled(www, path, { origin })).answer.headers["access-control-allow-origin"], origin);
    }
  });
});

describe("an answer for one visitor is not stored", () => {
  // A cache that goes by the look of an address would store these.
  const shapes = ["/account/x.css", "/account/x.js", "/account/x.png", "/account;x.css", "/account%2fx.css", "/account%00x.css", "/account%0ax.css", "/account%23x.css", "/account%3fx.css", "/account%3bx.css", "/account/..%2fstatic/x.css", "/account/%2e%2e/x.css", "/account/..%5cx.css", "/account%252fx.css", "/robots.txt;x", "/account\\x.css",
    "/account.css", "/account/.css", "/account//x.css", "/account/x.css?", "/account/x.css?v=1", "/account/%20x.css", "/account%09x.css", "/account%26x.css", "/account$x.css", "/account,x.css", "/account!x.css", "/account~x.css", "/account%c0%afx.css", "/account%2f%2e%2e%2fstatic%2fx.css",
    "/static/../account", "/static/..%2faccount", "/static/%2e%2e%2faccount", "/static/..%5caccount", "/static/.%2e/account", "/static/x.css/../../account", "/ACCOUNT/x.css", "/account/favicon.ico", "/account/index.html", "/account/x.avif", "/account/robots.txt"];
  for (const [index, shape] of shapes.entries()) {
    test(`under ${JSON.stringify(shape)}, with a session`, async () => {
      const path = `/class/${index}${shape}`;
      let asked = 0;
      const script = (/** @type {any} */ _, /** @type {import("node:http").ServerResponse} */ response) => void response.writeHead(200, { "content-type": "text/html" }).end(`secret ${(asked += 1)}`);
      for (const known of [path, new URL(path, "http://a").pathname]) www.own.on(known.split("?")[0], script);
      const victim = await www.ask(path, { cookie: "session=victim" });
      assert.deepEqual([did(victim), victim.body], ["bypass", "secret 1"]);
      const attacker = await www.ask(path);
      assert.notEqual(attacker.body, "secret 1");
    });
  }

  for (const shape of ["/a;b", "/a%2fb", "/a%5cb", "/a%00b", "/a%0d%0ab", "/a%2e%2e/b", "/a%25"]) {
    test(`under the ambiguous ${JSON.stringify(shape)}, even where all visitors get the same`, async () => {
      const path = `/class${shape}`;
      www.own.on(path, gives({}));
      assert.equal(did(await www.ask(path)), "bypass");
      assert.equal(did(await www.ask(path)), "bypass");
    });
  }

  test("with an answer that sets a cookie beside an ignored one", async () => {
    const path = www.page(gives({ "set-cookie": "session=1" }), "/class/");
    await www.ask(path, { cookie: "_ga=1" });
    const answer = await www.ask(path);
    assert.equal(did(answer), "miss");
  });
});

describe("an error that a request brings about is not what others get", () => {
  for (const status of [400, 408, 413, 414, 417, 421, 425, 426, 428, 429, 431, 500, 501, 502, 503, 504]) {
    test(`${status}`, async () => {
      const path = www.page(({ headers }, response) => {
        const isEvil = headers.accept === "evil";
        // 414 and 501 are about the address and the method, which are keyed: they may be stored where the origin says so.
        const control = status === 414 || status === 501 ? {} : { "cache-control": "public, max-age=60" };
        response.writeHead(isEvil ? status : 200, isEvil ? control : FRESH).end(isEvil ? "broken" : "good");
      });
      assert.equal((await www.ask(path, { accept: "evil" })).status, status);
      assert.equal((await www.ask(path)).body, "good");
    });
  }

  test("nor is a head that is too long for us", async () => {
    const path = www.page(gives(FRESH));
    const answer = await www.ask(path, { "x-long": "a".repeat(40_000) });
    assert.equal(answer.status, 431);
    assert.equal((await www.ask(path)).status, 200);
    assert.equal(www.own.asked(path).length, 1);
  });
});

/** Sends bytes on a connection of their own, and gives what comes back, and its statuses. @param {string} bytes */
const raw = (bytes) =>
  new Promise((/** @type {(answer: { text: string, statuses: number[] }) => void} */ resolve, reject) => {
    const { hostname, port } = new URL(www.product.origin);
    const socket = net.connect(Number(port), hostname, () => socket.end(bytes, "latin1"));
    let text = "";
    socket.on("data", (chunk) => (text += chunk));
    // Who is not understood may be cut off while it still speaks.
    socket.on("error", (/** @type {any} */ error) => (error.code === "ECONNRESET" || error.code === "EPIPE" ? undefined : reject(error)));
    socket.on("close", () => resolve({ text, statuses: [...text.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, status]) => Number(status)) }));
  });

describe("what is stored for an address is what the origin gave for that very address", () => {
  /** An origin that says what it was asked for: no two of these may be one. */
  const odd = [
    "/a/../b", "/a/./b", "/a//b", "//a", "/a/", "/a/.", "/a/b/..", "/A/b", "/a/%62", "/a/b%20", "/a/b+", "/a/b?", "/a/b?x", "/a/b?x=", "/a/b?x=1", "/a/b?x=1&x=2", "/a/b?x=1;y=2", "/a/b?x=1&y", "/a/b?x=1&&", "/a/b?y&x=1",
    "/a/b?%78=1", "/a/b?x=%31", "/a/b?x[]=1", "/a/b?utm_source=1", "/a/b?x=1?y", "/a/b?x=1%26y=2", "/a/b?callback=evil", "/a/b%3fx=1", "/a/b%23x", "/a/b?_method=POST", "/a/b/@x", "/a/b:80", "/a/b'", '/a/b"', "/a/b<x>", "/a/b|c", "/a/b^c", "/a/b`c", "/a/b{c}", "/a/\u00fc",
  ];
  for (const path of odd) {
    test(JSON.stringify(path), async () => {
      for (const known of new Set(["/a/b", path.split("?")[0], new URL(path, "http://a").pathname, Buffer.from(path.split("?")[0]).toString("latin1")])) {
        www.own.on(known, (request, response) => void response.writeHead(200, FRESH).end(`asked for ${request.path}`));
      }
      const get = async (/** @type {string} */ path) => (await raw(`GET ${path} HTTP/1.1\r\nHost: www.example\r\nConnection: close\r\n\r\n`)).text.match(/asked for (\S+)/)?.[1];
      const first = await get(path);
      assert.equal(await get("/a/b"), "/a/b", "its neighbour is not touched by it");
      assert.equal(await get(path), first, "and it is what it was");
    });
  }

  test("fragments are for browsers: what follows one reaches nobody", async () => {
    const path = www.page((request, response) => void response.writeHead(200, FRESH).end(`asked for ${request.path}`));
    const { text } = await raw(`GET ${path}#evil HTTP/1.1\r\nHost: www.example\r\nConnection: close\r\n\r\n`);
    assert.ok(!text.includes("evil"), text);
    assert.equal((await www.ask(path)).body, `asked for ${path}`);
  });
});

describe("a request that speaks of two hosts", () => {
  /** @type {[string, (path: string) => string][]} */
  const table = [
    ["absolute, with another host than its Host", (path) => `GET http://evil.example${path} HTTP/1.1\r\nHost: www.example`],
    ["absolute, with ours, and another Host", (path) => `GET http://www.example${path} HTTP/1.1\r\nHost: evil.example`],
    ["absolute, with a name and a password", (path) => `GET http://evil.example@www.example${path} HTTP/1.1\r\nHost: www.example`],
    ["twice Host", (path) => `GET ${path} HTTP/1.1\r\nHost: www.example\r\nHost: evil.example`],
    ["twice Host, the other way", (path) => `GET ${path} HTTP/1.1\r\nHost: evil.example\r\nHost: www.example`],
    ["Host with a list", (path) => `GET ${path} HTTP/1.1\r\nHost: www.example, evil.example`],
    ["Host with a port", (path) => `GET ${path} HTTP/1.1\r\nHost: www.example:1337`],
    ["Host with a port that is none", (path) => `GET ${path} HTTP/1.1\r\nHost: www.example:evil`],
    ["Host with a dot behind", (path) => `GET ${path} HTTP/1.1\r\nHost: www.example.`],
    ["Host in capitals", (path) => `GET ${path} HTTP/1.1\r\nHost: WWW.EXAMPLE`],
    ["Host with a path", (path) => `GET ${path} HTTP/1.1\r\nHost: www.example/evil`],
    ["Host with a blank", (path) => `GET ${path} HTTP/1.1\r\nHost: www.example evil`],
    ["Host with a tab", (path) => `GET ${path} HTTP/1.1\r\nHost: www.example\tevil`],
    ["Host with a name before it", (path) => `GET ${path} HTTP/1.1\r\nHost: evil@www.example`],
    ["Host with a name that hides a path", (path) => `GET ${path} HTTP/1.1\r\nHost: www.example#evil`],
    ["Host that is folded", (path) => `GET ${path} HTTP/1.1\r\nHost:\r\n www.example`],
    ["a blank before the colon", (path) => `GET ${path} HTTP/1.1\r\nHost : evil.example\r\nHost: www.example`],
    ["no Host", (path) => `GET ${path} HTTP/1.1\r\nX-Host: evil.example`],
    ["an empty Host", (path) => `GET ${path} HTTP/1.1\r\nHost:`],
  ];
  for (const [what, head] of table) {
    test(`${what}: others get what was made for their own`, async () => {
      const path = www.page(({ headers }, response) => void response.writeHead(200, FRESH).end(`made for ${headers["x-forwarded-host"]}`));
      const { statuses } = await raw(`${head(path)}\r\nConnection: close\r\n\r\n`);
      assert.ok(statuses.length <= 1, `${statuses}`);
      const { answer } = await filled(www, path);
      assert.deepEqual([did(answer), answer.body], ["hit", "made for www.example"]);
    });
  }
});

describe("a request that is no GET, or wants a part", () => {
  for (const method of ["HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "PROPFIND", "TRACE", "FOO"]) {
    test(`${method}: its answer is nobody else's`, async () => {
      const path = www.page((request, response) => void response.writeHead(200, { ...FRESH, "x-method": request.method }).end(request.method === "HEAD" ? undefined : `for ${request.method}`));
      await raw(`${method} ${path} HTTP/1.1\r\nHost: www.example\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
      const { answer } = await filled(www, path);
      assert.deepEqual([answer.body, answer.headers["x-method"]], ["for GET", "GET"]);
    });
  }

  test("a method in small letters is no method", async () => {
    const path = www.page(gives(FRESH, "good"));
    const { statuses } = await raw(`get ${path} HTTP/1.1\r\nHost: www.example\r\nConnection: close\r\n\r\n`);
    assert.ok(statuses.every((status) => status >= 400), `${statuses}`);
    assert.equal((await filled(www, path)).answer.body, "good");
  });

  for (const range of ["bytes=0-0", "bytes=99999-", "bytes=-1", "bytes=0-0,2-3", "bytes=5-1", "pages=1-2", "bytes=0-0, bytes=1-1", `bytes=${"0-,".repeat(500)}0-`]) {
    test(`Range: ${range.slice(0, 24)}: what the origin makes of it is nobody else's`, async () => {
      const path = www.page(({ headers }, response) => {
        if (headers.range === undefined) return void response.writeHead(200, { ...FRESH, etag: '"a"' }).end("0123456789");
        // Some say 206, some 416, and some 200 with a part of it.
        if (headers.range.includes("99999")) return void response.writeHead(416, { ...FRESH, "content-range": "bytes */10" }).end();
        if (headers.range.includes("-1")) return void response.writeHead(200, FRESH).end("9");
        response.writeHead(206, { ...FRESH, "content-range": "bytes 0-0/10" }).end("0");
      });
      await www.ask(path, { range });
      await www.ask(path, { range, "if-range": '"b"' });
      const { answer } = await filled(www, path);
      assert.deepEqual([did(answer), answer.status, answer.body], ["hit", 200, "0123456789"]);
    });
  }

  test("a part that nobody asked for is not stored", async () => {
    let asked = 0;
    const path = www.page((_, response) => void ((asked += 1) === 1 ? response.writeHead(206, { ...FRESH, "content-range": "bytes 0-1/10" }).end("01") : response.writeHead(200, FRESH).end("0123456789")));
    await www.ask(path);
    assert.equal((await filled(www, path)).answer.body, "0123456789");
  });

  test("parts of two versions are not put together: If-Range is held to what is stored", async () => {
    let version = 1;
    const path = www.page((_, response) => void response.writeHead(200, { "cache-control": "no-cache", etag: `"${version}"` }).end(`version ${version}`));
    await www.ask(path);
    version = 2;
    const answer = await www.ask(path, { range: "bytes=8-8", "if-range": '"1"' });
    assert.deepEqual([answer.status, answer.body], [200, "version 2"]);
    assert.equal((await www.ask(path, { range: "bytes=8-8", "if-range": 'W/"2"' })).status, 200, "a weak one never is the same");
  });
});

describe("cookies, however they are written", () => {
  const spellings = ["session=1", "session", "=session", "_ga=1; session=1", "_ga=1;session=1", "_ga=1, session=1", '_ga="a; session=1"', "_ga =1", "_ga=1; ; session=1", "_GA=1", "__Host-session=1", "_ga=1; _ga=2; x=", "_ga=\u00fc; session=1"];
  for (const cookie of spellings) {
    test(`${JSON.stringify(cookie)}: an answer that could be made of them is stored for nobody`, async () => {
      const path = www.page(({ headers }, response) => void response.writeHead(200, FRESH).end(`for ${headers.cookie}`), "/class/");
      const lines = cookie.split("; ").length > 1 ? [cookie, cookie.replace("; ", "\r\nCookie: ")] : [cookie];
      for (const line of lines) await raw(`GET ${path} HTTP/1.1\r\nHost: www.example\r\nCookie: ${line}\r\nConnection: close\r\n\r\n`);
      assert.equal((await filled(www, path)).answer.body, "for undefined");
    });
  }

  test("a field that a visitor declares to be for the hop does not make a personal answer look shared", async () => {
    for (const named of ["cookie", "authorization"]) {
      const path = www.page(({ headers }, response) => void response.writeHead(200, FRESH).end(`for ${headers[named]}`));
      const answer = await raw(`GET ${path} HTTP/1.1\r\nHost: www.example\r\n${named}: secret\r\nConnection: close, ${named}\r\n\r\n`);
      assert.match(answer.text, /edge;desc=bypass/);
      const { answer: next } = await filled(www, path);
      assert.equal(next.body, "for undefined");
    }
  });

  test("a cookie that comes with a 304 is for nobody else", async () => {
    let turns = 0;
    const path = www.page(({ headers }, response) => {
      turns += 1;
      if (headers["if-none-match"]) response.writeHead(304, { ...FRESH, etag: '"a"', ...(turns === 2 ? { "set-cookie": "session=1" } : {}) }).end();
      else response.writeHead(200, { "cache-control": "no-cache", etag: '"a"' }).end("body");
    });
    await www.ask(path);
    const own = await www.ask(path);
    assert.deepEqual([own.body, own.headers["set-cookie"]], ["body", "session=1"], "who asked gets what was said to it");
    const { first, answer } = await filled(www, path);
    for (const { body, headers } of [first, answer]) assert.deepEqual([body, headers["set-cookie"]], ["body", undefined]);
  });
});

describe("heads that are too long", () => {
  /** @type {[string, (path: string) => string][]} */
  const table = [
    ["a thousand small fields", (path) => `GET ${path} HTTP/1.1\r\nHost: www.example\r\n${Array.from({ length: 1000 }, (_, index) => `X-${index}: ${"a".repeat(40)}`).join("\r\n")}`],
    ["an address of 40,000 bytes", (path) => `GET ${path}?${"a".repeat(40_000)} HTTP/1.1\r\nHost: www.example`],
    ["a cookie of 40,000 bytes", (path) => `GET ${path} HTTP/1.1\r\nHost: www.example\r\nCookie: _ga=${"a".repeat(40_000)}`],
    ["a method of 40,000 bytes", (path) => `${"A".repeat(40_000)} ${path} HTTP/1.1\r\nHost: www.example`],
    ["more than the server reads at all", (path) => `GET ${path} HTTP/1.1\r\nHost: www.example\r\nX-A: ${"a".repeat(300_000)}`],
  ];
  for (const [what, head] of table) {
    test(`${what}: the origin hears nothing, and nothing is stored`, async () => {
      const path = www.page(gives(FRESH, "good"));
      const { statuses } = await raw(`${head(path)}\r\nConnection: close\r\n\r\n`);
      assert.ok(statuses.every((status) => status >= 400), `${statuses}`);
      assert.equal(www.own.asked(path).length, 0);
      assert.equal((await filled(www, path)).answer.body, "good");
    });
  }
});

describe("requests of two readings", () => {
  /** @type {[string, string][]} */
  const table = [
    ["both lengths", "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG"],
    ["two lengths", "Content-Length: 0\r\nContent-Length: 40\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: www.example\r\n\r\n"],
    ["a length that is none", "Content-Length: +5\r\n\r\nhello"],
    ["an odd coding", "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"],
    ["a folded field", "X-A: a\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
    ["both lengths, the other way", `Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\n${SMUGGLED}`],
    ["a blank before the colon", `Transfer-Encoding : chunked\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`],
    ["a tab before the coding", "Transfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n"],
    ["a coding behind chunked", `Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${SMUGGLED}`],
    ["chunked twice", `Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`],
    ["a coding in quotes", `Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n${SMUGGLED}`],
    ["two codings in two fields", `Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n${SMUGGLED}`],
    ["a length as a list", `Content-Length: 0, ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`],
    ["a length below 0", `Content-Length: -1\r\n\r\n${SMUGGLED}`],
    ["a length beyond all numbers", `Content-Length: 18446744073709551616\r\n\r\n${SMUGGLED}`],
    ["a length in another base", `Content-Length: 0x10\r\n\r\n${SMUGGLED}`],
    ["a chunk beyond all numbers", `Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n${SMUGGLED}`],
    ["a chunk below 0", `Transfer-Encoding: chunked\r\n\r\n-1\r\n${SMUGGLED}`],
    ["a chunk with a line feed alone", `Transfer-Encoding: chunked\r\n\r\n0;\n\n${SMUGGLED}`],
    ["a body that is a request", `Content-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`],
    ["a chunk that is a request", `Transfer-Encoding: chunked\r\n\r\n${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`],
    ["a trailer that is a field", "Transfer-Encoding: chunked\r\n\r\n0\r\nX-Forwarded-Host: evil.example\r\n\r\n"],
    ["a name with a blank", "X Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
    ["a carriage return alone", `X-A: a\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ["a zero byte", "X-A: a\0b\r\n\r\n"],
    ["a wait for 100", `Expect: 100-continue\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`],
    ["an upgrade to HTTP/2", `Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n`],
  ];
  for (const [what, rest] of table) {
    test(`${what}: nothing is smuggled, and nothing of it is stored`, async () => {
      const path = www.page(gives(FRESH, "good"));
      www.own.on("/smuggled", gives(FRESH, "smuggled"));
      const { statuses } = await raw(`GET ${path} HTTP/1.1\r\nHost: www.example\r\nConnection: close\r\n${rest}`);
      assert.ok(statuses.filter((status) => status !== 100).length <= 1, `${statuses}`);
      assert.equal(www.own.asked("/smuggled").length, 0);
      const { answer } = await filled(www, path);
      assert.deepEqual([answer.status, answer.body], [200, "good"]);
    });
  }

  test("a read with a body is answered without it", async () => {
    const path = www.page(({ body }, response) => void response.writeHead(200, FRESH).end(`body: ${body}`));
    const answer = await www.ask(path, { "content-length": "4" }, { body: "evil" });
    assert.equal(answer.body, "body: ");
    assert.equal((await www.ask(path)).body, "body: ");
  });
});
