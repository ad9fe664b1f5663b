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

describe("an origin that reflects a field is not poisoned by it", () => {
  const fields = [
    "x-forwarded-host", "x-forwarded-proto", "x-forwarded-scheme", "x-forwarded-port", "x-forwarded-prefix", "x-forwarded-server",
    "x-forwarded-for", "x-host", "x-original-url", "x-original-host", "x-rewrite-url", "x-override-url", "x-http-method-override",
    "x-http-method", "x-method-override", "x-real-ip", "true-client-ip", "x-client-ip", "forwarded", "via", "referer", "x-anything",
    "x-amz-website-redirect-location", "x-wap-profile", "cf-connecting-ip", "te", "range", "if-range", "if-none-match", "x-nonce",
  ];
  for (const field of fields) {
    test(field, async () => {
      const path = www.page(({ headers }, response) => void response.writeHead(200, FRESH).end(`reflects ${headers[field]}`));
      // A range would go past the cache; the others fill it.
      await www.ask(path, { [field]: "evil.example" });
      const { answer } = await filled(www, path);
      assert.equal(did(answer), "hit");
      assert.ok(!answer.body.includes("evil"), answer.body);
    });
  }
});

describe("an answer for one visitor is not stored", () => {
  // A cache that goes by the look of an address would store these.
  const shapes = ["/account/x.css", "/account/x.js", "/account/x.png", "/account;x.css", "/account%2fx.css", "/account%00x.css", "/account%0ax.css", "/account%23x.css", "/account%3fx.css", "/account%3bx.css", "/account/..%2fstatic/x.css", "/account/%2e%2e/x.css", "/account/..%5cx.css", "/account%252fx.css", "/robots.txt;x", "/account\\x.css"];
  for (const [index, shape] of shapes.entries()) {
    test(`under ${JSON.stringify(shape)}, with a session`, async () => {
      const path = `/class/${index}${shape}`;
      let asked = 0;
      const script = (/** @type {any} */ _, /** @type {import("node:http").ServerResponse} */ response) => void response.writeHead(200, { "content-type": "text/html" }).end(`secret ${(asked += 1)}`);
      for (const known of [path, new URL(path, "http://a").pathname]) www.own.on(known, script);
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
        const isEvil = headers["user-agent"] === "evil";
        // 414 and 501 are about the address and the method, which are keyed: they may be stored where the origin says so.
        const control = status === 414 || status === 501 ? {} : { "cache-control": "public, max-age=60" };
        response.writeHead(isEvil ? status : 200, isEvil ? control : FRESH).end(isEvil ? "broken" : "good");
      });
      assert.equal((await www.ask(path, { "user-agent": "evil" })).status, status);
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

describe("requests of two readings", () => {
  /** Sends bytes, and gives the statuses of what comes back. @param {string} bytes */
  const raw = (bytes) =>
    new Promise((/** @type {(statuses: number[]) => void} */ resolve, reject) => {
      const { hostname, port } = new URL(www.product.origin);
      const socket = net.connect(Number(port), hostname, () => socket.end(bytes));
      let text = "";
      socket.on("data", (chunk) => (text += chunk));
      socket.on("error", reject);
      socket.on("close", () => resolve([...text.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, status]) => Number(status))));
    });

  /** @type {[string, string][]} */
  const table = [
    ["both lengths", "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG"],
    ["two lengths", "Content-Length: 0\r\nContent-Length: 40\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: www.example\r\n\r\n"],
    ["a length that is none", "Content-Length: +5\r\n\r\nhello"],
    ["an odd coding", "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"],
    ["a folded field", "X-A: a\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
  ];
  for (const [what, rest] of table) {
    test(`${what}: nothing is smuggled, and nothing of it is stored`, async () => {
      const path = www.page(gives(FRESH, "good"));
      www.own.on("/smuggled", gives(FRESH, "smuggled"));
      const statuses = await raw(`GET ${path} HTTP/1.1\r\nHost: www.example\r\nConnection: close\r\n${rest}`);
      assert.ok(statuses.length <= 1, `${statuses}`);
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
