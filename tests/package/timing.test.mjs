//! The timing of queries of `edge-vitals/backend`, on Node's own server: each response tells those of its own request.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, describe, test } from "node:test";

import { perRequest, track, watchRequests, withMonitoring } from "../../pkg/backend/timing.js";

describe("watched requests", () => {
  /** @type {import("node:http").Server} */
  let server;
  let origin = "";
  let made = 0;
  const loader = perRequest(() => ({ number: (made += 1) }));

  before(async () => {
    watchRequests();
    watchRequests();
    server = createServer(async (request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? "/", "http://server");
      if (pathname === "/monitored") {
        const handler = withMonitoring(async () => new Response(await track("inside", () => "done")));
        const answer = await handler(new Request(`http://server${pathname}`));
        return void response.writeHead(answer.status, Object.fromEntries(answer.headers)).end(await answer.text());
      }
      const queries = Number(searchParams.get("queries"));
      const [first, again] = [loader(), loader()];
      await Promise.all(Array.from({ length: queries }, (_, index) => track(`${pathname.slice(1)}-${index}`, () => new Promise((resolve) => setImmediate(resolve)), { kind: index % 2 ? "redis" : "db" })));
      await track('odd "name"\n', () => Promise.reject(new Error("the query failed"))).catch(() => {});
      response.end(String(first === again));
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
    origin = `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}`;
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  const timing = async (/** @type {string} */ path) => {
    const answer = await fetch(origin + path);
    return { entries: (answer.headers.get("server-timing") ?? "").split(", "), body: await answer.text() };
  };

  test("concurrent requests tell their own queries, also those that failed, and share nothing", async () => {
    const answers = await Promise.all(["a", "b", "c"].map((name) => timing(`/${name}?queries=3`)));
    answers.forEach(({ entries, body }, index) => {
      const name = "abc"[index];
      assert.deepEqual(entries.map((entry) => entry.replace(/dur=[\d.]+/, "dur=")), [`db;dur=;desc="${name}-0"`, `redis;dur=;desc="${name}-1"`, `db;dur=;desc="${name}-2"`, 'db;dur=;desc="odd name"']);
      assert.equal(body, "true");
    });
    assert.equal(made, 3);
  });

  test("the field is bounded", async () => {
    assert.equal((await timing("/many?queries=200")).entries.length, 30);
  });

  test("a monitored handler tells its duration, and the watch its queries, once", async () => {
    const { entries } = await timing("/monitored");
    assert.deepEqual(entries.map((entry) => entry.replace(/dur=[\d.]+/, "dur=")).toSorted(), ["app;dur=", 'db;dur=;desc="inside"']);
  });
});

test("without a request, a query runs, and a handler tells what it threw", async () => {
  assert.equal(await track("alone", () => 7), 7);
  /** @type {import("../../pkg/types/timing.js").MonitoredRequest[]} */
  const requests = [];
  const handler = withMonitoring(async () => {
    await track("before", () => 1);
    throw new Error("no product");
  }, { name: "/product/:id", onRequest: (request) => void requests.push(request), now: () => 5 });
  await assert.rejects(handler(new Request("http://server/product/1", { method: "POST" })), /no product/);
  const [{ error, ...rest }] = requests;
  assert.deepEqual(rest, { name: "/product/:id", method: "POST", status: 500, durationMs: 0, queries: 1 });
  assert.match(String(error), /no product/);
});
