// What the visitor gets, and what is stored, when the origin does what origins do at night; and many
// visitors at once. On raw workerd.
import assert from "node:assert/strict";
import net from "node:net";
import { after, before, describe, test } from "node:test";

import { did, filled, gives, site } from "./site.mjs";

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

/** Says this on its connection, whatever it is, and closes it. @param {string} text @returns {import("./site.mjs").Script} */
const says = (text) => (_, response) => void response.socket?.end(text, "latin1");

/** Something that can be waited for. */
function gate() {
  /** @type {() => void} */
  let open = () => {};
  const opened = new Promise((/** @type {(value?: undefined) => void} */ resolve) => (open = resolve));
  return { open, opened };
}

describe("the origin", () => {
  test("is not there: 502", async () => {
    const answer = await www.ask("/", {}, { host: "dead.example" });
    assert.deepEqual([answer.status, answer.headers["content-type"]], [502, "application/problem+json"]);
    assert.match(answer.headers["cache-status"], /fwd=uri-miss; detail=origin-failed/);
  });

  test("says nothing: 504, and the next visitor may find it better", async () => {
    let asked = 0;
    const path = www.page((_, response) => void ((asked += 1) > 1 && response.writeHead(200, FRESH).end("good")));
    assert.equal((await www.ask(path)).status, 504);
    assert.equal((await www.ask(path)).body, "good");
  });

  test("closes before it answers: 502", async () => {
    assert.equal((await www.ask(www.page((_, response) => void response.destroy()))).status, 502);
  });

  test("resets in mid-body: the visitor sees it break off, and nothing is stored", async () => {
    let asked = 0;
    const path = www.page((_, response) => {
      asked += 1;
      if (asked > 1) return void response.writeHead(200, FRESH).end("good");
      response.writeHead(200, { ...FRESH, "content-length": "100" });
      response.write("half of i", () => response.socket?.resetAndDestroy());
    });
    await assert.rejects(www.ask(path));
    const { answer } = await filled(www, path);
    assert.equal(answer.body, "good");
  });

  test("promises more than it sends: nothing is stored", async () => {
    let asked = 0;
    const path = www.page((_, response) => {
      asked += 1;
      if (asked > 1) return void response.writeHead(200, FRESH).end("good");
      response.socket?.end("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 100\r\n\r\nshort");
    });
    await assert.rejects(www.ask(path));
    assert.equal((await filled(www, path)).answer.body, "good");
  });

  test("cuts a chunked body short: nothing is stored", async () => {
    let asked = 0;
    const path = www.page((_, response) => {
      asked += 1;
      if (asked > 1) return void response.writeHead(200, FRESH).end("good");
      response.socket?.end("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n");
    });
    await assert.rejects(www.ask(path));
    assert.equal((await filled(www, path)).answer.body, "good");
  });

  test("sends trailers: the body is whole, and they are nobody's fields", async () => {
    const path = www.page((_, response) => {
      response.writeHead(200, { ...FRESH, trailer: "set-cookie" });
      response.write("good");
      response.addTrailers({ "set-cookie": "a=b" });
      response.end();
    });
    const { answer } = await filled(www, path);
    assert.deepEqual([did(answer), answer.body, answer.headers["set-cookie"]], ["hit", "good", undefined]);
  });

  test("sends 103 first: the visitor gets what follows", async () => {
    const path = www.page((_, response) => {
      response.writeEarlyHints({ link: "</a.css>; rel=preload" });
      response.writeHead(200, FRESH).end("good");
    });
    assert.equal((await filled(www, path)).answer.body, "good");
  });

  for (const status of ["100 Continue", "102 Processing", "103 Early Hints", "199 Odd"]) {
    test(`sends ${status} first, unasked: the visitor gets what follows`, async () => {
      const path = www.page(says(`HTTP/1.1 ${status}\r\nX-Early: 1\r\n\r\nHTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 4\r\n\r\ngood`));
      const { answer } = await filled(www, path);
      assert.deepEqual([did(answer), answer.body, answer.headers["x-early"]], ["hit", "good", undefined]);
    });
  }

  test("switches protocols, unasked: 502", async () => {
    const path = www.page(says("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nx"));
    assert.equal((await www.ask(path)).status, 502);
  });

  for (const status of [600, 999]) {
    test(`answers ${status}: 502, and nothing is stored`, async () => {
      const path = www.page((_, response) => void response.socket?.end(`HTTP/1.1 ${status} Odd\r\nCache-Control: max-age=60\r\nContent-Length: 1\r\n\r\nx`));
      assert.equal((await www.ask(path)).status, 502);
      assert.equal((await www.ask(path)).status, 502);
    });
  }

  /** What it says, and why nobody can tell what it means. @type {[string, string][]} */
  const unreadable = [
    ["a status of two digits", "HTTP/1.1 99 Odd\r\nCache-Control: max-age=60\r\nContent-Length: 1\r\n\r\nx"],
    ["a status of four digits", "HTTP/1.1 2000 Odd\r\nCache-Control: max-age=60\r\nContent-Length: 1\r\n\r\nx"],
    ["a status that is no number", "HTTP/1.1 abc Odd\r\nCache-Control: max-age=60\r\nContent-Length: 1\r\n\r\nx"],
    ["no HTTP at all", "220 mail.example ESMTP\r\n\r\n"],
    ["two lengths", "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx"],
    ["a length below 0", "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: -1\r\n\r\nx"],
    ["a length that is no number", "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 0x4\r\n\r\ngood"],
    ["a coding that nobody knows", "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: gzip\r\n\r\nx"],
    ["chunks without a length", "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nx\r\n0\r\n\r\n"],
    ["a field without a colon", "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nno field\r\nContent-Length: 1\r\n\r\nx"],
    ["a field with a zero byte", "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nX-A: a\0b\r\nContent-Length: 1\r\n\r\nx"],
    ["a field of 300,000 bytes", `HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nX-A: ${"a".repeat(300_000)}\r\nContent-Length: 1\r\n\r\nx`],
  ];
  for (const [what, text] of unreadable) {
    test(`says ${what}: the visitor gets nothing that looks right, and nothing is stored`, async () => {
      let asked = 0;
      const path = www.page((request, response) => void ((asked += 1) === 1 ? says(text)(request, response) : response.writeHead(200, FRESH).end("good")));
      const first = await www.ask(path).then(({ status }) => status, () => "cut off");
      assert.ok(first === 502 || first === 504 || first === "cut off", String(first));
      const { answer } = await filled(www, path);
      assert.deepEqual([did(answer), answer.body, asked], ["hit", "good", 2]);
    });
  }

  test("sends more than it said, and what follows looks like an answer: nobody gets that", async () => {
    const forged = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 6\r\n\r\nforged";
    const path = www.page((_, response) => void response.socket?.write(`HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 4\r\n\r\ngood${forged}`));
    assert.equal((await www.ask(path)).body, "good");
    for (let turn = 0; turn < 10; turn += 1) {
      const { answer } = await filled(www, www.page(gives(FRESH, `own ${turn}`)));
      assert.equal(answer.body, `own ${turn}`);
    }
    assert.equal((await www.ask(path)).body, "good");
  });

  test("says both a length and chunks: what is served is one of the two, whole, and the next answer is its own", async () => {
    const path = www.page(says("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\n\r\n"));
    const answer = await www.ask(path).catch(() => undefined);
    // RFC 9112 §6.3: chunks count, or nothing does.
    if (answer) assert.ok(answer.status === 502 || answer.body === "good", `${answer.status} ${answer.body}`);
    assert.equal((await filled(www, www.page(gives(FRESH, "own")))).answer.body, "own");
  });

  test("says it is packed, and it is not: the visitor gets the bytes as they came, on a hit as well", async () => {
    const path = www.page(gives({ ...FRESH, "content-encoding": "gzip" }, "not packed"));
    const { first, answer } = await filled(www, path, { "accept-encoding": "gzip" });
    for (const { body, headers } of [first, answer]) assert.deepEqual([body, headers["content-encoding"]], ["not packed", "gzip"]);
  });

  test("stops in mid-body and says nothing more: others wait no longer than it may take, and fetch for themselves", async () => {
    let asked = 0;
    /** @type {import("node:http").ServerResponse | undefined} */
    let stuck;
    const path = www.page((_, response) => {
      asked += 1;
      if (asked > 1) return void response.writeHead(200, FRESH).end("good");
      response.writeHead(200, { ...FRESH, "content-length": "100" }).write("half of i");
      stuck = response;
    });
    const first = www.ask(path);
    await www.own.heard(path);
    const others = await Promise.all(Array.from({ length: 5 }, () => www.ask(path)));
    for (const { status, body } of others) assert.deepEqual([status, body], [200, "good"]);
    stuck?.destroy();
    await assert.rejects(first);
    assert.equal((await filled(www, path)).answer.body, "good");
  });

  test("never ends its fields: 502 or 504, and nothing is stored", async () => {
    let asked = 0;
    const path = www.page((_, response) => {
      asked += 1;
      if (asked > 1) return void response.writeHead(200, FRESH).end("good");
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
    assert.equal((await filled(www, path)).answer.body, "good");
  });

  test("answers 304 to a question that nobody asked: 502", async () => {
    const path = www.page(gives({ etag: '"a"' }, "", 304));
    assert.equal((await www.ask(path)).status, 502);
  });

  test("sends more than is stored: the visitor gets all of it, each time anew", async () => {
    const body = "x".repeat(300_000);
    const path = www.page(gives(FRESH, body));
    assert.equal((await www.ask(path)).body, body);
    const answer = await www.ask(path);
    assert.deepEqual([did(answer), answer.body.length], ["miss", 300_000]);
  });

  test("never ends: the visitor gets what there is, and it is not kept", async () => {
    const ended = gate();
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
    assert.equal((await www.ask(www.page(gives(FRESH)))).status, 200);
  });

  test("has fields of 18,000 bytes: they come whole", async () => {
    const path = www.page(gives({ ...FRESH, "x-long": "a".repeat(12_000), "x-longer": "b".repeat(6_000) }));
    const { answer } = await filled(www, path);
    assert.deepEqual([did(answer), answer.headers["x-long"].length, answer.headers["x-longer"].length], ["hit", 12_000, 6_000]);
  });
});

describe("where the clock does not answer", () => {
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

  test("what has no tags is served by its lifetime", async () => {
    assert.equal(did((await filled(lost, lost.page(gives(FRESH)))).answer), "hit");
  });

  test("what has tags is fetched each time", async () => {
    const path = lost.page(gives({ ...FRESH, "cache-tag": "a" }));
    await lost.ask(path);
    const answer = await lost.ask(path);
    assert.deepEqual([did(answer), answer.status], ["miss", 200]);
  });

  test("unless the origin fails and the route trusts it", async () => {
    let isDown = false;
    const script = gives({ ...FRESH, "cache-tag": "a" }, "good");
    const [trusted, other] = ["/trusts/", "/"].map((under) => lost.page((request, response) => (isDown ? void response.writeHead(503).end() : script(request, response)), under));
    for (const path of [trusted, other]) await lost.ask(path);
    isDown = true;
    // It is kept after it was sent.
    let answer = await lost.ask(trusted);
    for (const deadline = Date.now() + 2_000; did(answer) !== "stale" && Date.now() < deadline; ) answer = await lost.ask(trusted);
    assert.deepEqual([answer.status, answer.body], [200, "good"]);
    assert.equal((await lost.ask(other)).status, 503);
  });

  test("a purge says that nothing is sure to be purged", async () => {
    assert.equal((await lost.manage("purge", { all: true })).status, 503);
  });

  test("a write goes through all the same, and this isolate forgets what it wrote to", async () => {
    const path = lost.page(gives(FRESH));
    await filled(lost, path);
    assert.equal((await lost.ask(path, {}, { method: "POST", body: "x" })).status, 200);
    assert.equal(did(await lost.ask(path)), "miss");
  });
});

describe("a configuration that is wrong", () => {
  for (const [what, route] of /** @type {[string, any][]} */ ([
    ["without what a route must have", { host: "www.example" }],
    ["with a site that nobody knows", { host: "www.example", path: "/**", origin: "http://127.0.0.1:9", site: "nobodys" }],
  ])) {
    test(`${what}: is told by 503, and in the log with its line`, async () => {
      const wrong = await site(() => ({ routes: [route] }), { raw: "wrong" });
      try {
        const answer = await wrong.ask("/");
        assert.deepEqual([answer.status, JSON.parse(answer.body).detail], [503, "the configuration of the cache is wrong; the log says where"]);
        assert.equal((await wrong.ask("/api/health")).status, 503, "monitors are told");
        assert.equal((await wrong.ask("/api/vitals/summary?site=demo")).status, 200, "what is not the cache's goes on");
      } finally {
        await wrong.close();
      }
    });
  }
});

describe("many at once", () => {
  // With all the patience there is: nobody may have waited too long because the machine was busy.
  /** @type {Awaited<ReturnType<typeof site>>} */
  let crowd;
  before(async () => {
    crowd = await site((url) => ({ routes: [{ host: "www.example", path: "/**", origin: url }] }), { raw: "many" });
  });
  after(() => crowd.close());

  const ROUNDS = 100;

  test("50 misses are one request to the origin, and 50 right answers, a hundred times", async () => {
    let collapsed = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      const all = gate();
      const path = crowd.page(async (_, response) => {
        await all.opened;
        response.writeHead(200, FRESH).end(`for all of round ${round}`);
      });
      const asked = Array.from({ length: 50 }, () => crowd.ask(path));
      // It is answered when all have come.
      await crowd.taken(path);
      all.open();
      const answers = await Promise.all(asked);
      for (const { status, body } of answers) assert.deepEqual([status, body], [200, `for all of round ${round}`]);
      assert.equal(crowd.own.asked(path).length, 1, `round ${round}`);
      collapsed += answers.filter(({ headers }) => headers["cache-status"].includes("collapsed")).length;
    }
    assert.equal(collapsed, 49 * ROUNDS);
  });

  test("the first one leaves: the others get their answer all the same, from one request, a hundred times", async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const all = gate();
      const path = crowd.page(async (_, response) => {
        await all.opened;
        response.writeHead(200, FRESH).end(`for all of round ${round}`);
      });
      const leaving = new AbortController();
      const first = crowd.ask(path, {}, { signal: leaving.signal });
      await crowd.own.heard(path);
      const others = Array.from({ length: 49 }, () => crowd.ask(path));
      await crowd.taken(path);
      leaving.abort();
      await assert.rejects(first);
      // That it has left has reached workerd.
      await crowd.taken(path);
      all.open();
      for (const { status, body } of await Promise.all(others)) assert.deepEqual([status, body], [200, `for all of round ${round}`]);
      assert.equal(crowd.own.asked(path).length, 1, `round ${round}`);
    }
  });

  test("what turns out to be for one visitor only is asked for by each, and the next do not wait", async () => {
    const path = crowd.page(gives({ "cache-control": "private" }));
    await Promise.all(Array.from({ length: 10 }, () => crowd.ask(path)));
    assert.equal(crowd.own.asked(path).length, 10);
    const all = gate();
    let open = 0;
    crowd.own.on(path, async (_, response) => {
      open += 1;
      if (open === 5) all.open();
      await all.opened;
      response.writeHead(200, { "cache-control": "private" }).end();
    });
    // None is answered before all five are there: they would wait for ever, if they waited for each other.
    await Promise.all(Array.from({ length: 5 }, () => crowd.ask(path)));
  });

  test("a first one that fails does not fail the others for good", async () => {
    let asked = 0;
    const path = crowd.page((_, response) => {
      asked += 1;
      response.writeHead(asked === 1 ? 500 : 200, FRESH).end(asked === 1 ? "bad" : "good");
    });
    const answers = await Promise.all(Array.from({ length: 10 }, () => crowd.ask(path)));
    assert.equal(answers.filter(({ status }) => status === 500).length, 1);
    assert.equal(answers.filter(({ body }) => body === "good").length, 9);
  });
});
