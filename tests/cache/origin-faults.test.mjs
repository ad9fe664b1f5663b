// Responses and stored entries when the origin fails, and with many concurrent visitors. On raw
// workerd.
import assert from "node:assert/strict";
import net from "node:net";
import { after, before, describe, test } from "node:test";

import { cacheStatus, fill, respond, site } from "./site.mjs";

/** @type {Awaited<ReturnType<typeof site>>} */
let www;
before(async () => {
  www = await site(
    (url) => ({
      largest_bytes: 100_000,
      origin_timeout_ms: 400,
      routes: [
        { host: "dead.example", path: "/**", origin: "http://127.0.0.1:1" },
        { host: "www.example", path: "/**", origin: url },
      ],
    }),
    { raw: "faults" },
  );
});
after(() => www.close());

const FRESH = { "cache-control": "max-age=60" };

/** Sends this text on its connection and closes it. @param {string} text @returns {import("./site.mjs").Script} */
const sendRaw = (text) => (_, response) => void response.socket?.end(text, "latin1");

/** Creates a promise and the function that resolves it. */
function createGate() {
  /** @type {() => void} */
  let open = () => {};
  const opened = new Promise((/** @type {(value?: undefined) => void} */ resolve) => (open = resolve));
  return { open, opened };
}

describe("an origin that", () => {
  test("is unreachable: 502", async () => {
    const answer = await www.ask("/", {}, { host: "dead.example" });
    assert.deepEqual([answer.status, answer.headers["content-type"]], [502, "application/problem+json"]);
    assert.match(answer.headers["cache-status"], /fwd=uri-miss; detail=origin-failed/);
  });

  test("does not respond: 504, and the next request may succeed", async () => {
    let fetches = 0;
    const path = www.page((_, response) => void ((fetches += 1) > 1 && response.writeHead(200, FRESH).end("good")));
    assert.equal((await www.ask(path)).status, 504);
    assert.equal((await www.ask(path)).body, "good");
  });

  test("closes before it responds: 502", async () => {
    assert.equal((await www.ask(www.page((_, response) => void response.destroy()))).status, 502);
  });

  test("resets during the body: the response breaks off, and nothing is stored", async () => {
    let fetches = 0;
    const path = www.page((_, response) => {
      fetches += 1;
      if (fetches > 1) return void response.writeHead(200, FRESH).end("good");
      response.writeHead(200, { ...FRESH, "content-length": "100" });
      response.write("half of i", () => response.socket?.resetAndDestroy());
    });
    await assert.rejects(www.ask(path));
    const { answer } = await fill(www, path);
    assert.equal(answer.body, "good");
  });

  test("sends less than its Content-Length: nothing is stored", async () => {
    let fetches = 0;
    const path = www.page((_, response) => {
      fetches += 1;
      if (fetches > 1) return void response.writeHead(200, FRESH).end("good");
      response.socket?.end("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 100\r\n\r\nshort");
    });
    await assert.rejects(www.ask(path));
    assert.equal((await fill(www, path)).answer.body, "good");
  });

  test("truncates a chunked body: nothing is stored", async () => {
    let fetches = 0;
    const path = www.page((_, response) => {
      fetches += 1;
      if (fetches > 1) return void response.writeHead(200, FRESH).end("good");
      response.socket?.end("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n");
    });
    await assert.rejects(www.ask(path));
    assert.equal((await fill(www, path)).answer.body, "good");
  });

  test("sends trailers: the body is complete, and trailers are no header fields", async () => {
    const path = www.page((_, response) => {
      response.writeHead(200, { ...FRESH, trailer: "set-cookie" });
      response.write("good");
      response.addTrailers({ "set-cookie": "a=b" });
      response.end();
    });
    const { answer } = await fill(www, path);
    assert.deepEqual([cacheStatus(answer), answer.body, answer.headers["set-cookie"]], ["hit", "good", undefined]);
  });

  test("sends 103 first: the final response is served", async () => {
    const path = www.page((_, response) => {
      response.writeEarlyHints({ link: "</a.css>; rel=preload" });
      response.writeHead(200, FRESH).end("good");
    });
    assert.equal((await fill(www, path)).answer.body, "good");
  });

  for (const status of ["100 Continue", "102 Processing", "103 Early Hints", "199 Odd"]) {
    test(`sends ${status} first, unrequested: the final response is served`, async () => {
      const path = www.page(sendRaw(`HTTP/1.1 ${status}\r\nX-Early: 1\r\n\r\nHTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 4\r\n\r\ngood`));
      const { answer } = await fill(www, path);
      assert.deepEqual([cacheStatus(answer), answer.body, answer.headers["x-early"]], ["hit", "good", undefined]);
    });
  }

  test("switches protocols, unrequested: 502", async () => {
    const path = www.page(sendRaw("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nx"));
    assert.equal((await www.ask(path)).status, 502);
  });

  for (const status of [600, 999]) {
    test(`responds with ${status}: 502, and nothing is stored`, async () => {
      const path = www.page((_, response) => void response.socket?.end(`HTTP/1.1 ${status} Odd\r\nCache-Control: max-age=60\r\nContent-Length: 1\r\n\r\nx`));
      assert.equal((await www.ask(path)).status, 502);
      assert.equal((await www.ask(path)).status, 502);
    });
  }

  /** An invalid message of each kind. @type {[string, string][]} */
  const unreadable = [
    ["a status of two digits", "HTTP/1.1 99 Odd\r\nCache-Control: max-age=60\r\nContent-Length: 1\r\n\r\nx"],
    ["a status of four digits", "HTTP/1.1 2000 Odd\r\nCache-Control: max-age=60\r\nContent-Length: 1\r\n\r\nx"],
    ["a non-numeric status", "HTTP/1.1 abc Odd\r\nCache-Control: max-age=60\r\nContent-Length: 1\r\n\r\nx"],
    ["no HTTP at all", "220 mail.example ESMTP\r\n\r\n"],
    ["two lengths", "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx"],
    ["a negative length", "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: -1\r\n\r\nx"],
    ["a non-numeric length", "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 0x4\r\n\r\ngood"],
    ["an unknown coding", "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: gzip\r\n\r\nx"],
    ["chunks without a length", "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nx\r\n0\r\n\r\n"],
    ["a field without a colon", "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nno field\r\nContent-Length: 1\r\n\r\nx"],
    ["a field with a zero byte", "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nX-A: a\0b\r\nContent-Length: 1\r\n\r\nx"],
    ["a field of 300,000 bytes", `HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nX-A: ${"a".repeat(300_000)}\r\nContent-Length: 1\r\n\r\nx`],
  ];
  for (const [name, text] of unreadable) {
    test(`sends ${name}: no valid response results, and nothing is stored`, async () => {
      let fetches = 0;
      const path = www.page((request, response) => void ((fetches += 1) === 1 ? sendRaw(text)(request, response) : response.writeHead(200, FRESH).end("good")));
      const first = await www.ask(path).then(({ status }) => status, () => "cut off");
      assert.ok(first === 502 || first === 504 || first === "cut off", String(first));
      const { answer } = await fill(www, path);
      assert.deepEqual([cacheStatus(answer), answer.body, fetches], ["hit", "good", 2]);
    });
  }

  test("sends more than its Content-Length, as a forged response: it is never served", async () => {
    const forged = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 6\r\n\r\nforged";
    const path = www.page((_, response) => void response.socket?.write(`HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 4\r\n\r\ngood${forged}`));
    assert.equal((await www.ask(path)).body, "good");
    for (let turn = 0; turn < 10; turn += 1) {
      const { answer } = await fill(www, www.page(respond(FRESH, `own ${turn}`)));
      assert.equal(answer.body, `own ${turn}`);
    }
    assert.equal((await www.ask(path)).body, "good");
  });

  test("sends both a length and chunks: at most the chunked body is served, and the next response is intact", async () => {
    const path = www.page(sendRaw("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\n\r\n"));
    const answer = await www.ask(path).catch(() => undefined);
    // RFC 9112 §6.3: Transfer-Encoding overrides Content-Length, or the message is rejected.
    if (answer) assert.ok(answer.status === 502 || answer.body === "good", `${answer.status} ${answer.body}`);
    assert.equal((await fill(www, www.page(respond(FRESH, "own")))).answer.body, "own");
  });

  test("declares a coding that the body lacks: the bytes are served unchanged, on a hit as well", async () => {
    const path = www.page(respond({ ...FRESH, "content-encoding": "gzip" }, "not packed"));
    const { first, answer } = await fill(www, path, { "accept-encoding": "gzip" });
    for (const { body, headers } of [first, answer]) assert.deepEqual([body, headers["content-encoding"]], ["not packed", "gzip"]);
  });

  test("stalls during the body: other requests wait no longer than the timeout and fetch for themselves", async () => {
    let fetches = 0;
    /** @type {import("node:http").ServerResponse | undefined} */
    let stuck;
    const path = www.page((_, response) => {
      fetches += 1;
      if (fetches > 1) return void response.writeHead(200, FRESH).end("good");
      response.writeHead(200, { ...FRESH, "content-length": "100" }).write("half of i");
      stuck = response;
    });
    const first = www.ask(path);
    await www.own.waitForRequest(path);
    const others = await Promise.all(Array.from({ length: 5 }, () => www.ask(path)));
    for (const { status, body } of others) assert.deepEqual([status, body], [200, "good"]);
    stuck?.destroy();
    await assert.rejects(first);
    assert.equal((await fill(www, path)).answer.body, "good");
  });

  test("never ends its header: 502 or 504, and nothing is stored", async () => {
    let fetches = 0;
    const path = www.page((_, response) => {
      fetches += 1;
      if (fetches > 1) return void response.writeHead(200, FRESH).end("good");
      const { socket } = response;
      socket?.on("error", () => {});
      socket?.write("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n");
      const more = () => {
        if (socket?.writable) socket.write(`X-A: ${"a".repeat(100)}\r\n`, () => setImmediate(more));
      };
      more();
    });
    const { status } = await www.ask(path);
    assert.ok(status === 502 || status === 504, `${status}`);
    assert.equal((await fill(www, path)).answer.body, "good");
  });

  test("responds with 304 to an unconditional request: 502", async () => {
    const path = www.page(respond({ etag: '"a"' }, "", 304));
    assert.equal((await www.ask(path)).status, 502);
  });

  test("sends more than the storage limit: the whole body is served, and fetched each time", async () => {
    const body = "x".repeat(300_000);
    const path = www.page(respond(FRESH, body));
    assert.equal((await www.ask(path)).body, body);
    const answer = await www.ask(path);
    assert.deepEqual([cacheStatus(answer), answer.body.length], ["miss", 300_000]);
  });

  test("never ends its body: it is streamed and not stored", async () => {
    const ended = createGate();
    const path = www.page((_, response) => {
      response.writeHead(200, FRESH);
      const more = () => {
        if (!response.destroyed) response.write("x".repeat(10_000), () => setImmediate(more));
      };
      response.on("close", ended.open);
      more();
    });
    const { hostname, port } = new URL(www.product.origin);
    const socket = net.connect(Number(port), hostname, () => socket.write(`GET ${path} HTTP/1.1\r\nHost: www.example\r\n\r\n`));
    let seen = 0;
    await new Promise((resolve) => socket.on("data", (chunk) => void ((seen += chunk.length) > 500_000 && resolve(undefined))));
    socket.destroy();
    await ended.opened;
    assert.equal((await www.ask(www.page(respond(FRESH)))).status, 200);
  });

  test("has 18,000 bytes of header fields: they are complete", async () => {
    const path = www.page(respond({ ...FRESH, "x-long": "a".repeat(12_000), "x-longer": "b".repeat(6_000) }));
    const { answer } = await fill(www, path);
    assert.deepEqual([cacheStatus(answer), answer.headers["x-long"].length, answer.headers["x-longer"].length], ["hit", 12_000, 6_000]);
  });
});

describe("an unreachable purge clock", () => {
  /** @type {Awaited<ReturnType<typeof site>>} */
  let lost;
  before(async () => {
    lost = await site(
      (url) => ({
        routes: [
          { host: "www.example", path: "/trusts/**", origin: url, trusts_unknown: true, stale_if_error: 60 },
          { host: "www.example", path: "/**", origin: url },
        ],
      }),
      { raw: "lost", clock: false },
    );
  });
  after(() => lost.close());

  test("does not affect untagged responses", async () => {
    assert.equal(cacheStatus((await fill(lost, lost.page(respond(FRESH)))).answer), "hit");
  });

  test("makes each request for a tagged response a miss", async () => {
    const path = lost.page(respond({ ...FRESH, "cache-tag": "a" }));
    await lost.ask(path);
    const answer = await lost.ask(path);
    assert.deepEqual([cacheStatus(answer), answer.status], ["miss", 200]);
  });

  test("is tolerated if the origin fails and the route trusts unknown purge states", async () => {
    let isDown = false;
    const script = respond({ ...FRESH, "cache-tag": "a" }, "good");
    const [trusted, other] = ["/trusts/", "/"].map((under) => lost.page((request, response) => (isDown ? void response.writeHead(503).end() : script(request, response)), under));
    for (const path of [trusted, other]) await lost.ask(path);
    isDown = true;
    // The entry is stored after the response is sent.
    let answer = await lost.ask(trusted);
    for (const deadline = Date.now() + 2_000; cacheStatus(answer) !== "stale" && Date.now() < deadline; ) answer = await lost.ask(trusted);
    assert.deepEqual([answer.status, answer.body], [200, "good"]);
    assert.equal((await lost.ask(other)).status, 503);
  });

  test("makes a purge report its failure", async () => {
    assert.equal((await lost.manage("purge", { all: true })).status, 503);
  });

  test("lets a write through, which invalidates this isolate's entry", async () => {
    const path = lost.page(respond(FRESH));
    await fill(lost, path);
    assert.equal((await lost.ask(path, {}, { method: "POST", body: "x" })).status, 200);
    assert.equal(cacheStatus(await lost.ask(path)), "miss");
  });
});

describe("an invalid configuration", () => {
  for (const [name, route] of /** @type {[string, any][]} */ ([
    ["a route without a required field", { host: "www.example" }],
    ["a route with an unknown site", { host: "www.example", path: "/**", origin: "http://127.0.0.1:9", site: "nobodys" }],
  ])) {
    test(`${name}: causes 503 and a log message with the place`, async () => {
      const misconfigured = await site(() => ({ routes: [route] }), { raw: "wrong" });
      try {
        const answer = await misconfigured.ask("/");
        assert.deepEqual([answer.status, JSON.parse(answer.body).detail], [503, "the configuration of the cache is invalid; the Worker's log has the error"]);
        assert.equal((await misconfigured.ask("/api/health")).status, 503, "monitors see the failure");
        assert.equal((await misconfigured.ask("/api/vitals/summary?site=demo")).status, 200, "other endpoints still work");
      } finally {
        await misconfigured.close();
      }
    });
  }
});

describe("many concurrent requests", () => {
  // Default timeouts, so that no request times out on a busy machine.
  /** @type {Awaited<ReturnType<typeof site>>} */
  let crowd;
  before(async () => {
    crowd = await site((url) => ({ routes: [{ host: "www.example", path: "/**", origin: url }] }), { raw: "many" });
  });
  after(() => crowd.close());

  const ROUNDS = 100;

  test("50 concurrent misses make one request to the origin, a hundred times", async () => {
    let collapsed = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      const all = createGate();
      const path = crowd.page(async (_, response) => {
        await all.opened;
        response.writeHead(200, FRESH).end(`for all of round ${round}`);
      });
      const fetches = Array.from({ length: 50 }, () => crowd.ask(path));
      // The origin responds once all requests have arrived.
      await crowd.waitForQueue(path);
      all.open();
      const answers = await Promise.all(fetches);
      for (const { status, body } of answers) assert.deepEqual([status, body], [200, `for all of round ${round}`]);
      assert.equal(crowd.own.requests(path).length, 1, `round ${round}`);
      collapsed += answers.filter(({ headers }) => headers["cache-status"].includes("collapsed")).length;
    }
    assert.equal(collapsed, 49 * ROUNDS);
  });

  test("the other requests complete from one fetch when the first client disconnects, a hundred times", async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const all = createGate();
      const path = crowd.page(async (_, response) => {
        await all.opened;
        response.writeHead(200, FRESH).end(`for all of round ${round}`);
      });
      const leaving = new AbortController();
      const first = crowd.ask(path, {}, { signal: leaving.signal });
      await crowd.own.waitForRequest(path);
      const others = Array.from({ length: 49 }, () => crowd.ask(path));
      await crowd.waitForQueue(path);
      leaving.abort();
      await assert.rejects(first);
      // The disconnect has reached workerd.
      await crowd.waitForQueue(path);
      all.open();
      for (const { status, body } of await Promise.all(others)) assert.deepEqual([status, body], [200, `for all of round ${round}`]);
      assert.equal(crowd.own.requests(path).length, 1, `round ${round}`);
    }
  });

  test("each visitor gets a private response of its own, and later requests do not wait for each other", async () => {
    const path = crowd.page(respond({ "cache-control": "private" }));
    await Promise.all(Array.from({ length: 10 }, () => crowd.ask(path)));
    assert.equal(crowd.own.requests(path).length, 10);
    const all = createGate();
    let open = 0;
    crowd.own.on(path, async (_, response) => {
      open += 1;
      if (open === 5) all.open();
      await all.opened;
      response.writeHead(200, { "cache-control": "private" }).end();
    });
    // No response is sent before all five requests have arrived: they would deadlock if they waited for
    // each other.
    await Promise.all(Array.from({ length: 5 }, () => crowd.ask(path)));
  });

  test("a failed first request does not fail the others permanently", async () => {
    let fetches = 0;
    const path = crowd.page((_, response) => {
      fetches += 1;
      if (fetches === 1) response.writeHead(500).end("bad");
      else response.writeHead(200, FRESH).end("good");
    });
    const answers = await Promise.all(Array.from({ length: 10 }, () => crowd.ask(path)));
    assert.equal(answers.filter(({ status }) => status === 500).length, 1);
    assert.equal(answers.filter(({ body }) => body === "good").length, 9);
  });
});
