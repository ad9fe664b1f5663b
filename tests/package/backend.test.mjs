//! `edge-vitals/backend` as it is installed: the rules of docs/push.md in a Fetch handler and in Express; a
//! Next.js route is in `package.test.mjs`. The signatures are made with node:crypto.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { createRequire } from "node:module";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { install, ROOM } from "./projects.mjs";

const SECRET = "an example secret of 32 bytes...";
const NOW = 1_800_000_090_000;
const KEY = "shop.minute.1800000000000.0";
const BODY = '{"v":1,"site":"shop"}';

/** A request as the edge makes it, with what a test has otherwise. @param {Record<string, any>} [other] */
function pushed({ body = BODY, key = KEY, id = "2027-01", secret = SECRET, t = NOW / 1000, signature = undefined, headers = {} } = {}) {
  const v1 = createHmac("sha256", secret).update(`edge-vitals.v1\n${t}\n${id}\n${key}\n${body}`).digest("hex");
  return new Request("http://backend/vitals", {
    method: "POST",
    body,
    headers: { "content-type": "application/json", "idempotency-key": key, "edge-vitals-signature": signature ?? `t=${t},k=${id},v1=${v1}`, ...headers },
  });
}

describe("edge-vitals/backend", () => {
  /** @type {typeof import("../../pkg/types/backend.js")} */
  let backend;
  /** What was stored, by its key. @type {Map<string, any>} */
  let stored;
  /** @type {(request: Request) => Promise<Response>} */
  let POST;

  const options = () => ({
    keys: { "2027-01": SECRET, "2027-02": "the next secret, also of 32 bytes" },
    now: () => NOW,
    store: async (/** @type {import("../../pkg/types/backend.js").Push} */ push) => {
      if (stored.has(push.key)) return false;
      stored.set(push.key, push);
    },
  });

  before(async () => {
    await install();
    backend = await import(join(ROOM, "node_modules/edge-vitals/backend/backend.js"));
  });

  const fresh = () => {
    stored = new Map();
    POST = backend.receive(options());
  };

  test("the example of docs/push.md is accepted with its window", async () => {
    fresh();
    const v1 = "13bd1d9fc8e6d2ef685e1160462329d8ea294274bb6a2879990782d326067132";
    const answer = await POST(pushed({ signature: `t=1800000090,k=2027-01,v1=${v1}` }));
    assert.deepEqual([answer.status, await answer.json()], [200, { stored: true }]);
    assert.deepEqual([...stored.values()], [
      { key: KEY, site: "shop", span: "minute", start: new Date(1_800_000_000_000), revision: 0, document: { v: 1, site: "shop" } },
    ]);
  });

  test("a repeated document is acknowledged and changes nothing", async () => {
    fresh();
    await POST(pushed());
    const again = await POST(pushed({ t: NOW / 1000 + 20 }));
    assert.deepEqual([again.status, await again.json(), stored.size], [200, { stored: false }, 1]);
  });

  test("both keys are valid during a rotation, and no other", async () => {
    fresh();
    assert.equal((await POST(pushed({ id: "2027-02", secret: "the next secret, also of 32 bytes" }))).status, 200);
    for (const id of ["2027-03", "constructor", "__proto__"]) assert.equal((await POST(pushed({ id }))).status, 401, id);
  });

  /** What is refused: its name, the request, the status. @type {[string, Record<string, any>, number][]} */
  const REFUSED = [
    ["with another body", { body: '{"v":1,"site":"shoq"}', signature: `t=${NOW / 1000},k=2027-01,v1=13bd1d9fc8e6d2ef685e1160462329d8ea294274bb6a2879990782d326067132` }, 401],
    ["under another idempotency key", { headers: { "idempotency-key": "shop.minute.1800000000000.1" } }, 401],
    ["signed with a wrong secret", { secret: "a wrong secret of at least 32 bytes" }, 401],
    ["signed in the name of the other key", { id: "2027-02" }, 401],
    ["301 s old", { t: NOW / 1000 - 301 }, 401],
    ["301 s ahead", { t: NOW / 1000 + 301 }, 401],
    ["without a signature", { signature: "" }, 400],
    ["with two times", { signature: `t=1,t=${NOW / 1000},k=2027-01,v1=${"0".repeat(64)}` }, 400],
    ["with a signature in capitals", { signature: `t=${NOW / 1000},k=2027-01,v1=${"A".repeat(64)}` }, 400],
    ["with half a signature", { signature: `t=${NOW / 1000},k=2027-01,v1=${"a".repeat(32)}` }, 400],
    ["with blanks in its signature", { signature: `t=${NOW / 1000}, k=2027-01, v1=${"a".repeat(64)}` }, 400],
    ["whose key names no window", { key: "shop.week.1800000000000.0" }, 400],
    ["whose body is not valid JSON", { body: "{" }, 400],
    ["longer than it may be", { body: JSON.stringify("x".repeat(1 << 20)) }, 413],
  ];

  for (const [name, request, status] of REFUSED) {
    test(`a document ${name} is refused with ${status} and not stored`, async () => {
      fresh();
      const answer = await POST(pushed(request));
      assert.deepEqual([answer.status, stored.size], [status, 0], await answer.text());
    });
  }

  test("a document of 300 s age is fresh, and unknown fields are ignored", async () => {
    fresh();
    assert.equal((await POST(pushed({ t: NOW / 1000 - 300 }))).status, 200);
    const v1 = createHmac("sha256", SECRET).update(`edge-vitals.v1\n${NOW / 1000}\n2027-01\na.b.hour.0.3\n${BODY}`).digest("hex");
    const answer = await POST(pushed({ key: "a.b.hour.0.3", signature: `t=${NOW / 1000},k=2027-01,v2=later,v1=${v1}` }));
    assert.equal(answer.status, 200);
    assert.deepEqual([stored.get("a.b.hour.0.3").site, stored.get("a.b.hour.0.3").span], ["a.b", "hour"]);
  });

  test("a document that could not be stored is not acknowledged", async () => {
    const failing = backend.receive({ ...options(), store: async () => Promise.reject(new Error("the database is away")) });
    await assert.rejects(failing(pushed()), /the database is away/);
  });

  test("a secret that is too short is refused at once", () => {
    assert.throws(() => backend.receive({ ...options(), keys: { short: "secret" } }), /the key `short` has 6 bytes; it needs at least 32/);
  });

  test("Express passes documents on, and an error names a body that was already parsed", async () => {
    fresh();
    const express = createRequire(join(ROOM, "package.json"))("express");
    const app = express();
    app.post("/vitals", backend.receiveExpress(options()));
    app.post("/raw", express.raw({ type: "*/*" }), backend.receiveExpress(options()));
    app.post("/late", express.json(), backend.receiveExpress(options()));
    app.use((/** @type {Error} */ error, /** @type {any} */ _, /** @type {any} */ response, /** @type {any} */ __) => response.status(500).send(error.message));
    const server = app.listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address();
    const send = async (/** @type {string} */ path, /** @type {Request} */ request) =>
      fetch(`http://127.0.0.1:${port}${path}`, { method: "POST", headers: request.headers, body: await request.text() });
    try {
      assert.equal((await send("/vitals", pushed())).status, 200);
      assert.deepEqual(await (await send("/raw", pushed())).json(), { stored: false });
      assert.equal((await send("/vitals", pushed({ secret: "a wrong secret of at least 32 bytes" }))).status, 401);
      const late = await send("/late", pushed());
      assert.equal(late.status, 500);
      assert.match(await late.text(), /before `express.json\(\)`/);
      assert.deepEqual([...stored.keys()], [KEY]);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});
