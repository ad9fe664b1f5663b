// The deadlines of what visitors wait for: the helpers of the Worker, natively.
import assert from "node:assert/strict";
import { describe, mock, test } from "node:test";

import { Dependency, isTimeout, withTimeout } from "../../worker/js/promises.js";
import { readBody } from "../../worker/js/streams.js";

const NEVER = new Promise(() => {});
/** Lets promises settle. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

describe("a deadline", () => {
  test("rejects a promise that never settles, exactly at its end", async () => {
    mock.timers.enable({ apis: ["setTimeout"] });
    try {
      let outcome = "none";
      withTimeout(NEVER, 500).catch((error) => (outcome = isTimeout(error) ? "timeout" : "other"));
      mock.timers.tick(499);
      await settle();
      assert.equal(outcome, "none");
      mock.timers.tick(1);
      await settle();
      assert.equal(outcome, "timeout");
    } finally {
      mock.timers.reset();
    }
  });

  test("passes results and errors on, and leaves no timer behind", async () => {
    mock.timers.enable({ apis: ["setTimeout"] });
    try {
      assert.equal(await withTimeout(Promise.resolve(7), 500), 7);
      assert.equal(await withTimeout(7, 500), 7);
      await assert.rejects(withTimeout(Promise.reject(new Error("own")), 500), /own/);
    } finally {
      mock.timers.reset();
    }
  });
});

describe("a dependency", () => {
  test("that does not respond is left alone for a while, and then asked again", async () => {
    mock.timers.enable({ apis: ["setTimeout", "Date"] });
    try {
      const tier = new Dependency("the tier", 500, 5_000);
      let calls = 0;
      const hang = () => ((calls += 1), NEVER);
      const first = tier.call(hang);
      mock.timers.tick(500);
      await assert.rejects(first, isTimeout);
      for (let visitor = 0; visitor < 100; visitor += 1) await assert.rejects(tier.call(hang), /left alone/);
      assert.equal(calls, 1);
      mock.timers.tick(5_000);
      assert.equal(await tier.call(() => Promise.resolve("found")), "found");
    } finally {
      mock.timers.reset();
    }
  });

  test("that reports an error, or throws one, is asked again at once", async () => {
    const tier = new Dependency("the tier", 500, 5_000);
    await assert.rejects(tier.call(() => Promise.reject(new Error("broken"))), /broken/);
    await assert.rejects(tier.call(() => { throw new Error("thrown"); }), /thrown/);
    assert.equal(await tier.call(() => "found"), "found");
  });
});

describe("a body", () => {
  test("that stalls is given up", async () => {
    let isCanceled = false;
    const body = new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array(3)), cancel: () => void (isCanceled = true) });
    await assert.rejects(readBody(body, 10, 20), isTimeout);
    assert.ok(isCanceled);
  });

  test("that is too large is given up, also if another reader goes on", async () => {
    const body = new ReadableStream({ start: (controller) => (controller.enqueue(new Uint8Array(11)), controller.close()) });
    const [one, other] = body.tee();
    assert.equal(await readBody(one, 10, 1_000), undefined);
    assert.equal((await readBody(other, 11, 1_000))?.byteLength, 11);
  });
});
