// An idle listener: the shard is evicted, its socket stays open, and the next visit is delivered.
import assert from "node:assert/strict";
import { test } from "node:test";

import { beacon } from "../product.mjs";
import { product, start } from "./workerd.mjs";

test("an idle listener keeps no object awake and receives the next visit", async () => {
  const { modules, ...rest } = product();
  const running = await start("live", { ...rest, modules: { "instance-count.js": new URL("instance-count.js", import.meta.url).pathname, ...modules } }, { fresh: true });
  try {
    const socket = new WebSocket(`ws://127.0.0.1:${running.port}/api/live?site=demo`, ["edge-vitals.live.v1"]);
    /** @type {(kind: string) => Promise<any>} */
    const next = (kind) => new Promise((resolve) => socket.addEventListener(kind, resolve, { once: true }));
    await next("open");
    assert.equal((await running.send("/made")).text, "1");
    // workerd evicts an object after ten seconds without work. No event reports it, and a request would
    // wake the object; pings do not.
    for (let pings = 0; pings < 6; pings += 1) {
      await new Promise((resolve) => setTimeout(resolve, 2000));
      const pong = next("message");
      socket.send("ping");
      assert.equal((await pong).data, "pong");
    }
    const message = next("message");
    assert.equal((await running.send("/v1/vitals", JSON.stringify(beacon()), { "user-agent": "Mozilla/5.0 (X11; Linux x86_64)" })).status, 200);
    assert.equal(JSON.parse((await message).data).views, 1);
    assert.equal((await running.send("/made")).text, "2", "the object was evicted and created again for the visit");
    socket.close();
    await next("close");
  } finally {
    await running.kill();
  }
});
