// Cache poisoning and deception: no visitor's input reaches others, and no visitor's response is
// stored. Byte for byte, on raw workerd.
import assert from "node:assert/strict";
import net from "node:net";
import { after, before, describe, test } from "node:test";

import { cacheStatus, fill, respond, site } from "./site.mjs";

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
    // Internal fields of frameworks.
    "rsc", "next-router-prefetch", "x-nextjs-data", "x-middleware-prefetch", "x-middleware-subrequest", "x-invoke-path", "x-now-route-matches", "x-matched-path", "x-turbo-frame", "hx-request", "x-inertia",
  ];
  for (const field of fields) {
    test(field, async () => {
      const path = www.page(({ headers }, response) => void response.writeHead(200, FRESH).end(`reflects ${headers[field]}`));
      // A range bypasses the cache; the other fields fill it.
      await www.ask(path, { [field]: field === "expect" ? "100-continue" : "evil.example" });
      const { answer } = await fill(www, path);
      assert.equal(cacheStatus(answer), "hit");
      assert.ok(!answer.body.includes("evil"), answer.body);
    });
  }
});

describe("content negotiation", () => {
  // Plain values are as dangerous as markup: each may select a response that is wrong for others.
  const values = {
    accept: ["<script>evil</script>", "application/json", "text/x-component", "image/avif,image/webp", "*/*;q=0.1"],
    "accept-language": ["<script>evil</script>", "gsw-CH, de;q=0.9", "de", "*"],
    "accept-encoding": ["<script>evil</script>", "gzip;q=0.5", "identity;q=0", "br"],
    origin: ["<script>evil</script>", "https://evil.example", "null"],
  };
  const varies = ["", "accept", "accept-language", "accept-encoding, origin", "accept, accept-language"];
  for (const [field, all] of Object.entries(values)) {
    for (const value of all) {
      for (const vary of varies) {
        test(`${field}: ${value} reaches nobody else, with Vary: ${vary || "none"}`, async () => {
          const path = www.page(({ headers }, response) => void response.writeHead(200, { ...FRESH, ...(vary && { vary }) }).end(`reflects ${headers[field]}`));
          for (let time = 0; time < 3; time += 1) await www.ask(path, { [field]: value });
          const { answer } = await fill(www, path);
          assert.deepEqual([cacheStatus(answer), answer.body], ["hit", "reflects undefined"]);
        });
      }
    }
  }

  test("the origin gets whole fields, and its Vary chooses the variant", async () => {
    const path = www.page(({ headers }, response) => void response.writeHead(200, { ...FRESH, vary: "Accept-Language" }).end(`in ${headers["accept-language"]}`));
    for (const language of ["gsw-CH, de;q=0.9", "de", "gsw-CH"]) {
      const { answer } = await fill(www, path, { "accept-language": language });
      assert.deepEqual([cacheStatus(answer), answer.body], ["hit", `in ${language}`]);
    }
    const same = await www.ask(path, { "accept-language": "de;q=0.9,GSW-ch" });
    assert.deepEqual([cacheStatus(same), same.body], ["hit", "in gsw-CH, de;q=0.9"]);
  });

  test("a response that is not stored is made from whole fields", async () => {
    const path = www.page(({ headers }, response) => void response.writeHead(200, { "cache-control": "no-store" }).end(`${headers.accept} in ${headers["accept-language"]}`));
    for (let time = 0; time < 3; time += 1) {
      assert.equal((await www.ask(path, { accept: "application/json", "accept-language": "gsw-CH, de;q=0.9" })).body, "application/json in gsw-CH, de;q=0.9");
    }
  });

  test("concurrent browsers share one request for a response that ignores their fields", async () => {
    let open = () => {};
    const opened = new Promise((/** @type {(value?: undefined) => void} */ resolve) => (open = resolve));
    const path = www.page(async (_, response) => {
      await opened;
      response.writeHead(200, FRESH).end("good");
    });
    const answers = Array.from({ length: 20 }, (_, index) => www.ask(path, { accept: "text/html", "accept-language": `l${index}` }));
    await www.waitForQueue(path);
    open();
    for (const { status, body } of await Promise.all(answers)) assert.deepEqual([status, body], [200, "good"]);
    assert.ok(www.own.requests(path).length <= 2, `${www.own.requests(path).length} requests`);
  });

  test("a CORS response for one origin does not lock out another", async () => {
    const path = www.page(({ headers }, response) => void response.writeHead(200, { ...FRESH, "access-control-allow-origin": String(headers.origin) }).end());
    for (const origin of ["https://evil.example", "https://good.example"]) {
      assert.equal((await fill(www, path, { origin })).answer.headers["access-control-allow-origin"], origin);
    }
  });
});

describe("a response for one visitor is not stored", () => {
  // A cache that decides by the path's extension would store these.
  const shapes = ["/account/x.css", "/account/x.js", "/account/x.png", "/account;x.css", "/account%2fx.css", "/account%00x.css", "/account%0ax.css", "/account%23x.css", "/account%3fx.css", "/account%3bx.css", "/account/..%2fstatic/x.css", "/account/%2e%2e/x.css", "/account/..%5cx.css", "/account%252fx.css", "/robots.txt;x", "/account\\x.css",
    "/account.css", "/account/.css", "/account//x.css", "/account/x.css?", "/account/x.css?v=1", "/account/%20x.css", "/account%09x.css", "/account%26x.css", "/account$x.css", "/account,x.css", "/account!x.css", "/account~x.css", "/account%c0%afx.css", "/account%2f%2e%2e%2fstatic%2fx.css",
    "/static/../account", "/static/..%2faccount", "/static/%2e%2e%2faccount", "/static/..%5caccount", "/static/.%2e/account", "/static/x.css/../../account", "/ACCOUNT/x.css", "/account/favicon.ico", "/account/index.html", "/account/x.avif", "/account/robots.txt"];
  for (const [index, shape] of shapes.entries()) {
    test(`under ${JSON.stringify(shape)}, with a session`, async () => {
      const path = `/class/${index}${shape}`;
      let fetches = 0;
      const script = (/** @type {any} */ _, /** @type {import("node:http").ServerResponse} */ response) => void response.writeHead(200, { "content-type": "text/html" }).end(`secret ${(fetches += 1)}`);
      for (const known of [path, new URL(path, "http://a").pathname]) www.own.on(known.split("?")[0], script);
      const victim = await www.ask(path, { cookie: "session=victim" });
      assert.deepEqual([cacheStatus(victim), victim.body], ["bypass", "secret 1"]);
      const attacker = await www.ask(path);
      assert.notEqual(attacker.body, "secret 1");
    });
  }

  for (const shape of ["/a;b", "/a%2fb", "/a%5cb", "/a%00b", "/a%0d%0ab", "/a%2e%2e/b", "/a%25"]) {
    test(`under the ambiguous ${JSON.stringify(shape)}, even without a session`, async () => {
      const path = `/class${shape}`;
      www.own.on(path, respond({}));
      assert.equal(cacheStatus(await www.ask(path)), "bypass");
      assert.equal(cacheStatus(await www.ask(path)), "bypass");
    });
  }

  test("with a Set-Cookie field, if the request has only ignored cookies", async () => {
    const path = www.page(respond({ "set-cookie": "session=1" }), "/class/");
    await www.ask(path, { cookie: "_ga=1" });
    const answer = await www.ask(path);
    assert.equal(cacheStatus(answer), "miss");
  });
});

describe("an error that a request provokes is not served to others", () => {
  const statuses = [...Array.from({ length: 16 }, (_, index) => 400 + index), 417, 421, 425, 426, 428, 429, 431, 500, 501, 502, 503, 504];
  for (const status of statuses) {
    test(`${status}`, async () => {
      for (const vary of [{}, { vary: "accept-language" }, { vary: "accept" }]) {
        const path = www.page(({ headers }, response) => {
          const isEvil = headers.accept === "application/json";
          response.writeHead(isEvil ? status : 200, { "cache-control": "public, max-age=60", ...vary }).end(isEvil ? "broken" : "good");
        });
        for (let time = 0; time < 3; time += 1) await www.ask(path, { accept: "application/json", "accept-language": "de" });
        const { answer } = await fill(www, path);
        assert.deepEqual([answer.status, answer.body], [200, "good"], JSON.stringify(vary));
        assert.equal((await www.ask(path, { accept: "text/html" })).body, "good", JSON.stringify(vary));
      }
    });
  }

  test("a header above the limit", async () => {
    const path = www.page(respond(FRESH));
    const answer = await www.ask(path, { "x-long": "a".repeat(40_000) });
    assert.equal(answer.status, 431);
    assert.equal((await www.ask(path)).status, 200);
    assert.equal(www.own.requests(path).length, 1);
  });
});

/** Sends bytes on a connection of their own and returns the responses' text and statuses. @param {string} bytes */
const sendRaw = (bytes) =>
  new Promise((/** @type {(answer: { text: string, statuses: number[] }) => void} */ resolve, reject) => {
    const { hostname, port } = new URL(www.product.origin);
    const socket = net.connect(Number(port), hostname, () => socket.end(bytes, "latin1"));
    let text = "";
    socket.on("data", (chunk) => (text += chunk));
    // The server may close the connection during the request.
    socket.on("error", (/** @type {any} */ error) => (error.code === "ECONNRESET" || error.code === "EPIPE" ? undefined : reject(error)));
    socket.on("close", () => resolve({ text, statuses: [...text.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, status]) => Number(status)) }));
  });

describe("an entry belongs to exactly one URL", () => {
  /** The origin echoes the URL; no two of these may share an entry. */
  const odd = [
    "/a/../b", "/a/./b", "/a//b", "//a", "/a/", "/a/.", "/a/b/..", "/A/b", "/a/%62", "/a/b%20", "/a/b+", "/a/b?", "/a/b?x", "/a/b?x=", "/a/b?x=1", "/a/b?x=1&x=2", "/a/b?x=1;y=2", "/a/b?x=1&y", "/a/b?x=1&&", "/a/b?y&x=1",
    "/a/b?%78=1", "/a/b?x=%31", "/a/b?x[]=1", "/a/b?utm_source=1", "/a/b?x=1?y", "/a/b?x=1%26y=2", "/a/b?callback=evil", "/a/b%3fx=1", "/a/b%23x", "/a/b?_method=POST", "/a/b/@x", "/a/b:80", "/a/b'", '/a/b"', "/a/b<x>", "/a/b|c", "/a/b^c", "/a/b`c", "/a/b{c}", "/a/\u00fc",
  ];
  for (const path of odd) {
    test(JSON.stringify(path), async () => {
      for (const known of new Set(["/a/b", path.split("?")[0], new URL(path, "http://a").pathname, Buffer.from(path.split("?")[0]).toString("latin1")])) {
        www.own.on(known, (request, response) => void response.writeHead(200, FRESH).end(`asked for ${request.path}`));
      }
      const get = async (/** @type {string} */ path) => (await sendRaw(`GET ${path} HTTP/1.1\r\nHost: www.example\r\nConnection: close\r\n\r\n`)).text.match(/asked for (\S+)/)?.[1];
      const first = await get(path);
      assert.equal(await get("/a/b"), "/a/b", "its neighbour is unaffected");
      assert.equal(await get(path), first, "the entry is unchanged");
    });
  }

  test("a fragment is removed", async () => {
    const path = www.page((request, response) => void response.writeHead(200, FRESH).end(`asked for ${request.path}`));
    const { text } = await sendRaw(`GET ${path}#evil HTTP/1.1\r\nHost: www.example\r\nConnection: close\r\n\r\n`);
    assert.ok(!text.includes("evil"), text);
    assert.equal((await www.ask(path)).body, `asked for ${path}`);
  });
});

describe("a request with conflicting hosts", () => {
  /** @type {[string, (path: string) => string][]} */
  const table = [
    ["an absolute URL with another host than Host", (path) => `GET http://evil.example${path} HTTP/1.1\r\nHost: www.example`],
    ["an absolute URL with our host, and another Host", (path) => `GET http://www.example${path} HTTP/1.1\r\nHost: evil.example`],
    ["an absolute URL with credentials", (path) => `GET http://evil.example@www.example${path} HTTP/1.1\r\nHost: www.example`],
    ["two Host fields", (path) => `GET ${path} HTTP/1.1\r\nHost: www.example\r\nHost: evil.example`],
    ["two Host fields, reversed", (path) => `GET ${path} HTTP/1.1\r\nHost: evil.example\r\nHost: www.example`],
    ["Host with a list", (path) => `GET ${path} HTTP/1.1\r\nHost: www.example, evil.example`],
    ["Host with a port", (path) => `GET ${path} HTTP/1.1\r\nHost: www.example:1337`],
    ["Host with an invalid port", (path) => `GET ${path} HTTP/1.1\r\nHost: www.example:evil`],
    ["Host with a trailing dot", (path) => `GET ${path} HTTP/1.1\r\nHost: www.example.`],
    ["Host in capitals", (path) => `GET ${path} HTTP/1.1\r\nHost: WWW.EXAMPLE`],
    ["Host with a path", (path) => `GET ${path} HTTP/1.1\r\nHost: www.example/evil`],
    ["Host with a space", (path) => `GET ${path} HTTP/1.1\r\nHost: www.example evil`],
    ["Host with a tab", (path) => `GET ${path} HTTP/1.1\r\nHost: www.example\tevil`],
    ["Host with a user name", (path) => `GET ${path} HTTP/1.1\r\nHost: evil@www.example`],
    ["Host with a fragment", (path) => `GET ${path} HTTP/1.1\r\nHost: www.example#evil`],
    ["a folded Host", (path) => `GET ${path} HTTP/1.1\r\nHost:\r\n www.example`],
    ["a space before the colon", (path) => `GET ${path} HTTP/1.1\r\nHost : evil.example\r\nHost: www.example`],
    ["no Host", (path) => `GET ${path} HTTP/1.1\r\nX-Host: evil.example`],
    ["an empty Host", (path) => `GET ${path} HTTP/1.1\r\nHost:`],
  ];
  for (const [name, head] of table) {
    test(`${name}: others get their own host's response`, async () => {
      const path = www.page(({ headers }, response) => void response.writeHead(200, FRESH).end(`made for ${headers["x-forwarded-host"]}`));
      const { statuses } = await sendRaw(`${head(path)}\r\nConnection: close\r\n\r\n`);
      assert.ok(statuses.length <= 1, `${statuses}`);
      const { answer } = await fill(www, path);
      assert.deepEqual([cacheStatus(answer), answer.body], ["hit", "made for www.example"]);
    });
  }
});

describe("a request with another method, or for a range", () => {
  for (const method of ["HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "PROPFIND", "TRACE", "FOO"]) {
    test(`${method}: its response is not shared`, async () => {
      const path = www.page((request, response) => void response.writeHead(200, { ...FRESH, "x-method": request.method }).end(request.method === "HEAD" ? undefined : `for ${request.method}`));
      await sendRaw(`${method} ${path} HTTP/1.1\r\nHost: www.example\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
      const { answer } = await fill(www, path);
      assert.deepEqual([answer.body, answer.headers["x-method"]], ["for GET", "GET"]);
    });
  }

  test("a lower-case method is rejected", async () => {
    const path = www.page(respond(FRESH, "good"));
    const { statuses } = await sendRaw(`get ${path} HTTP/1.1\r\nHost: www.example\r\nConnection: close\r\n\r\n`);
    assert.ok(statuses.every((status) => status >= 400), `${statuses}`);
    assert.equal((await fill(www, path)).answer.body, "good");
  });

  for (const range of ["bytes=0-0", "bytes=99999-", "bytes=-1", "bytes=0-0,2-3", "bytes=5-1", "pages=1-2", "bytes=0-0, bytes=1-1", `bytes=${"0-,".repeat(500)}0-`]) {
    test(`Range: ${range.slice(0, 24)}: the origin's response is not shared`, async () => {
      const path = www.page(({ headers }, response) => {
        if (headers.range === undefined) return void response.writeHead(200, { ...FRESH, etag: '"a"' }).end("0123456789");
        // Origins vary: 206, 416, or 200 with a part.
        if (headers.range.includes("99999")) return void response.writeHead(416, { ...FRESH, "content-range": "bytes */10" }).end();
        if (headers.range.includes("-1")) return void response.writeHead(200, FRESH).end("9");
        response.writeHead(206, { ...FRESH, "content-range": "bytes 0-0/10" }).end("0");
      });
      await www.ask(path, { range });
      await www.ask(path, { range, "if-range": '"b"' });
      const { answer } = await fill(www, path);
      assert.deepEqual([cacheStatus(answer), answer.status, answer.body], ["hit", 200, "0123456789"]);
    });
  }

  test("an unrequested partial response is not stored", async () => {
    let fetches = 0;
    const path = www.page((_, response) => void ((fetches += 1) === 1 ? response.writeHead(206, { ...FRESH, "content-range": "bytes 0-1/10" }).end("01") : response.writeHead(200, FRESH).end("0123456789")));
    await www.ask(path);
    assert.equal((await fill(www, path)).answer.body, "0123456789");
  });

  test("parts of two versions are not combined: If-Range is compared with the stored validator", async () => {
    let version = 1;
    const path = www.page((_, response) => void response.writeHead(200, { "cache-control": "no-cache", etag: `"${version}"` }).end(`version ${version}`));
    await www.ask(path);
    version = 2;
    const answer = await www.ask(path, { range: "bytes=8-8", "if-range": '"1"' });
    assert.deepEqual([answer.status, answer.body], [200, "version 2"]);
    assert.equal((await www.ask(path, { range: "bytes=8-8", "if-range": 'W/"2"' })).status, 200, "a weak validator never matches");
  });
});

describe("cookies in any spelling", () => {
  const spellings = ["session=1", "session", "=session", "_ga=1; session=1", "_ga=1;session=1", "_ga=1, session=1", '_ga="a; session=1"', "_ga =1", "_ga=1; ; session=1", "_GA=1", "__Host-session=1", "_ga=1; _ga=2; x=", "_ga=\u00fc; session=1"];
  for (const cookie of spellings) {
    test(`${JSON.stringify(cookie)}: a response that may depend on them is not stored`, async () => {
      const path = www.page(({ headers }, response) => void response.writeHead(200, FRESH).end(`for ${headers.cookie}`), "/class/");
      const lines = cookie.split("; ").length > 1 ? [cookie, cookie.replace("; ", "\r\nCookie: ")] : [cookie];
      for (const line of lines) await sendRaw(`GET ${path} HTTP/1.1\r\nHost: www.example\r\nCookie: ${line}\r\nConnection: close\r\n\r\n`);
      assert.equal((await fill(www, path)).answer.body, "for undefined");
    });
  }

  test("a field in the client's Connection header does not turn a personal response into a shared one", async () => {
    for (const field of ["cookie", "authorization"]) {
      const path = www.page(({ headers }, response) => void response.writeHead(200, FRESH).end(`for ${headers[field]}`));
      const answer = await sendRaw(`GET ${path} HTTP/1.1\r\nHost: www.example\r\n${field}: secret\r\nConnection: close, ${field}\r\n\r\n`);
      assert.match(answer.text, /edge;desc=bypass/);
      const { answer: next } = await fill(www, path);
      assert.equal(next.body, "for undefined");
    }
  });

  test("a Set-Cookie of a 304 is not stored", async () => {
    let turns = 0;
    const path = www.page(({ headers }, response) => {
      turns += 1;
      if (headers["if-none-match"]) response.writeHead(304, { ...FRESH, etag: '"a"', ...(turns === 2 ? { "set-cookie": "session=1" } : {}) }).end();
      else response.writeHead(200, { "cache-control": "no-cache", etag: '"a"' }).end("body");
    });
    await www.ask(path);
    const own = await www.ask(path);
    assert.deepEqual([own.body, own.headers["set-cookie"]], ["body", "session=1"], "the requesting visitor gets its cookie");
    const { first, answer } = await fill(www, path);
    for (const { body, headers } of [first, answer]) assert.deepEqual([body, headers["set-cookie"]], ["body", undefined]);
  });
});

describe("headers above the limits", () => {
  /** @type {[string, (path: string) => string][]} */
  const table = [
    ["a thousand small fields", (path) => `GET ${path} HTTP/1.1\r\nHost: www.example\r\n${Array.from({ length: 1000 }, (_, index) => `X-${index}: ${"a".repeat(40)}`).join("\r\n")}`],
    ["an address of 40,000 bytes", (path) => `GET ${path}?${"a".repeat(40_000)} HTTP/1.1\r\nHost: www.example`],
    ["a cookie of 40,000 bytes", (path) => `GET ${path} HTTP/1.1\r\nHost: www.example\r\nCookie: _ga=${"a".repeat(40_000)}`],
    ["a method of 40,000 bytes", (path) => `${"A".repeat(40_000)} ${path} HTTP/1.1\r\nHost: www.example`],
    ["more than the server reads", (path) => `GET ${path} HTTP/1.1\r\nHost: www.example\r\nX-A: ${"a".repeat(300_000)}`],
  ];
  for (const [name, head] of table) {
    test(`${name}: nothing reaches the origin, and nothing is stored`, async () => {
      const path = www.page(respond(FRESH, "good"));
      const { statuses } = await sendRaw(`${head(path)}\r\nConnection: close\r\n\r\n`);
      assert.ok(statuses.every((status) => status >= 400), `${statuses}`);
      assert.equal(www.own.requests(path).length, 0);
      assert.equal((await fill(www, path)).answer.body, "good");
    });
  }
});

describe("ambiguous requests", () => {
  /** @type {[string, string][]} */
  const table = [
    ["both lengths", "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG"],
    ["two lengths", "Content-Length: 0\r\nContent-Length: 40\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: www.example\r\n\r\n"],
    ["an invalid length", "Content-Length: +5\r\n\r\nhello"],
    ["an unknown coding", "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"],
    ["a folded field", "X-A: a\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
    ["both lengths, reversed", `Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\n${SMUGGLED}`],
    ["a space before the colon", `Transfer-Encoding : chunked\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`],
    ["a tab before the coding", "Transfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n"],
    ["a coding after chunked", `Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${SMUGGLED}`],
    ["chunked twice", `Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`],
    ["a coding in quotes", `Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n${SMUGGLED}`],
    ["two codings in two fields", `Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n${SMUGGLED}`],
    ["a length as a list", `Content-Length: 0, ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`],
    ["a negative length", `Content-Length: -1\r\n\r\n${SMUGGLED}`],
    ["an overflowing length", `Content-Length: 18446744073709551616\r\n\r\n${SMUGGLED}`],
    ["a length in another base", `Content-Length: 0x10\r\n\r\n${SMUGGLED}`],
    ["an overflowing chunk size", `Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n${SMUGGLED}`],
    ["a negative chunk size", `Transfer-Encoding: chunked\r\n\r\n-1\r\n${SMUGGLED}`],
    ["a chunk with a bare line feed", `Transfer-Encoding: chunked\r\n\r\n0;\n\n${SMUGGLED}`],
    ["a body that is a request", `Content-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`],
    ["a chunk that is a request", `Transfer-Encoding: chunked\r\n\r\n${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`],
    ["a trailer that is a field", "Transfer-Encoding: chunked\r\n\r\n0\r\nX-Forwarded-Host: evil.example\r\n\r\n"],
    ["a name with a space", "X Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
    ["a bare carriage return", `X-A: a\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ["a zero byte", "X-A: a\0b\r\n\r\n"],
    ["Expect: 100-continue", `Expect: 100-continue\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`],
    ["an upgrade to HTTP/2", `Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n`],
  ];
  for (const [name, rest] of table) {
    test(`${name}: nothing is smuggled, and nothing is stored`, async () => {
      const path = www.page(respond(FRESH, "good"));
      www.own.on("/smuggled", respond(FRESH, "smuggled"));
      const { statuses } = await sendRaw(`GET ${path} HTTP/1.1\r\nHost: www.example\r\nConnection: close\r\n${rest}`);
      assert.ok(statuses.filter((status) => status !== 100).length <= 1, `${statuses}`);
      assert.equal(www.own.requests("/smuggled").length, 0);
      const { answer } = await fill(www, path);
      assert.deepEqual([answer.status, answer.body], [200, "good"]);
    });
  }

  test("a GET with a body is served without it", async () => {
    const path = www.page(({ body }, response) => void response.writeHead(200, FRESH).end(`body: ${body}`));
    const answer = await www.ask(path, { "content-length": "4" }, { body: "evil" });
    assert.equal(answer.body, "body: ");
    assert.equal((await www.ask(path)).body, "body: ");
  });
});
