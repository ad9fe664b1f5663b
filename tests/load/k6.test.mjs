// The k6 script, run by a minimal substitute for k6: it sends the mix of traffic.json, distinguishes
// right responses from wrong ones, and has the thresholds of the file.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import http from "node:http";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import yaml from "js-yaml";

import { directory, run } from "../run.mjs";

const ROOT = new URL("../..", import.meta.url).pathname;
const traffic = JSON.parse(readFileSync(new URL("traffic.json", import.meta.url), "utf8"));

/** Runs the script. @param {string[]} settings */
async function k6(...settings) {
  const { code, out, err } = await run(ROOT, ["node", "tests/load/k6.mjs", "tests/load/k6/edge.js", ...settings]);
  return { code, err, ...(out ? JSON.parse(out) : {}) };
}

/** @param {http.RequestListener} listener @param {(base: string) => Promise<void>} work */
async function withServer(listener, work) {
  const server = http.createServer(listener);
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  try {
    await work(`http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

/** @param {string} name */
const share = (name) => traffic.mix.find((/** @type {any} */ kind) => kind.name === name).share;

describe("against the edge", () => {
  /** @type {import("node:child_process").ChildProcessWithoutNullStreams} */
  let edge;
  /** @type {string} */
  let base;
  before(async () => {
    edge = spawn(process.execPath, ["tests/load/edge.mjs"], { cwd: ROOT });
    const line = await new Promise((resolve, reject) => {
      edge.stdout.once("data", resolve);
      edge.once("exit", () => reject(new Error("the edge did not start")));
      edge.stderr.pipe(process.stderr);
    });
    base = `http://${JSON.parse(line).at}`;
  });
  after(async () => {
    edge.stdin.end();
    await new Promise((resolve) => edge.once("exit", resolve));
  });

  test("the smoke test sends each kind in its share, all responses are right, and each beacon is a view", async () => {
    const { code, requests, broken, err } = await k6(`BASE=${base}`, `HOST=${traffic.host}`);
    assert.deepEqual([code, broken], [0, []], err);
    for (const { name } of traffic.mix) assert.equal(requests[name], (traffic.shapes.smoke.rate * share(name)) / 100, name);
    const summary = await (await fetch(`${base}/api/vitals/summary?site=demo`)).json();
    assert.equal(summary.views, requests.beacons);
  });
});

describe("against a faulty server", () => {
  test("bodies of another path fail the checks", async () => {
    await withServer((_, response) => void response.end("/lists/0\n".repeat(2000).slice(0, 16_384)), async (base) => {
      const { code, broken } = await k6(`BASE=${base}`);
      assert.equal(code, 99);
      assert.deepEqual(broken.filter((/** @type {string} */ entry) => entry.startsWith("http_req_failed")), []);
      for (const name of ["health", "lists", "details", "taxonomy"]) assert.ok(broken.includes(`checks{scenario:${name}}: rate>0.95`), `${name}: ${broken}`);
    });
  });

  test("errors exceed the error threshold", async () => {
    await withServer((_, response) => void response.writeHead(503).end(), async (base) => {
      const { code, broken } = await k6(`BASE=${base}`);
      assert.equal(code, 99);
      for (const { name } of traffic.mix) assert.ok(broken.includes(`http_req_failed{scenario:${name}}: rate<0.05`), name);
    });
  });

  test("an unreachable server counts as an error", async () => {
    assert.equal((await k6("BASE=http://127.0.0.1:1")).code, 99);
  });
});

describe("the options for k6", () => {
  test("the load test has each kind at its rate with every threshold, and at least a thousand requests a second", async () => {
    await readOptions("load", ({ scenarios, thresholds }) => {
      for (const { name } of traffic.mix) {
        const { executor, rate, timeUnit, duration, exec } = scenarios[name];
        assert.deepEqual([executor, rate, timeUnit, duration, exec], ["constant-arrival-rate", (traffic.shapes.load.rate * share(name)) / 10, "10s", "120s", "sendRequest"]);
        assert.deepEqual(thresholds[`http_req_duration{scenario:${name}}`], ["p(95)<500", "p(99)<1000"]);
        assert.deepEqual(thresholds[`http_req_failed{scenario:${name}}`], ["rate<0.05"]);
      }
      assert.deepEqual(thresholds.http_reqs, ["rate>=1000"]);
    });
  });

  test("the stress test climbs and ends when a threshold is exceeded", async () => {
    await readOptions("stress", ({ scenarios, thresholds }) => {
      const { executor, stages } = scenarios.lists;
      assert.equal(executor, "ramping-arrival-rate");
      const targets = stages.map((/** @type {any} */ stage) => stage.target);
      assert.ok(targets.length > 8 && targets.every((/** @type {number} */ target, /** @type {number} */ index) => index === 0 || target > targets[index - 1]));
      assert.deepEqual(thresholds["checks{scenario:lists}"], [{ threshold: "rate>0.95", abortOnFail: true, delayAbortEval: "5s" }]);
    });
  });

  test("an unknown load is rejected with the known ones", async () => {
    assert.match((await k6("SHAPE=more")).err, /there is no load more; there are smoke, load, stress/);
  });

  /** Reads the options of a shape without running it. @param {string} shape @param {(options: any) => void} check */
  async function readOptions(shape, check) {
    const { out, err } = await run(ROOT, ["node", "tests/load/k6.mjs", "--options", "tests/load/k6/edge.js", `SHAPE=${shape}`]);
    assert.ok(out, err);
    check(JSON.parse(out).options);
  }
});

describe("docs/load.md", () => {
  const text = readFileSync(new URL("../../docs/load.md", import.meta.url), "utf8");
  const blocks = (/** @type {string} */ language) => [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms"))].map(([, code]) => code);

  test("lists the current mix and thresholds", () => {
    for (const { name, share } of traffic.mix) assert.match(text, new RegExp(`\\| ${name} \\| ${share} % \\|`));
    const { p95_ms, p99_ms, errors } = traffic.thresholds;
    assert.ok(text.includes(`p95 below ${p95_ms} ms, p99 below ${p99_ms.toLocaleString("en")} ms, less than ${errors * 100} % wrong`));
  });

  test("has k6 commands that run the script with existing settings", async () => {
    const commands = blocks("sh").flatMap((block) => block.split("\n")).filter((line) => line.startsWith("k6 "));
    assert.ok(commands.length >= 2);
    const script = readFileSync(new URL("k6/edge.js", import.meta.url), "utf8");
    for (const command of commands) {
      const args = command.split(" ");
      assert.deepEqual([args[1], args.at(-1)], ["run", "tests/load/k6/edge.js"]);
      for (const [, name] of command.matchAll(/-e (\w+)=/g)) assert.ok(script.includes(`__ENV.${name}`), name);
    }
  });

  test("has a workflow that runs the script, and an example of traffic that works", async () => {
    const workflow = /** @type {any} */ (yaml.load(blocks("yaml")[0]));
    const steps = workflow.jobs.edge.steps;
    assert.ok(steps.some((/** @type {any} */ step) => /^k6 run .*edge\.js$/m.test(step.run ?? "")));
    const shown = JSON.parse(blocks("json")[0]);
    assert.equal(shown.mix.reduce((/** @type {number} */ sum, /** @type {any} */ kind) => sum + kind.share, 0), 100);
    // The speed of this machine is not under test.
    shown.shapes.smoke.timed = false;
    const file = join(directory({ "traffic.json": JSON.stringify(shown) }), "traffic.json");
    await withServer((_, response) => void response.end("whatever it is"), async (base) => {
      assert.equal((await k6(`BASE=${base}`, `TRAFFIC=${file}`)).code, 0);
    });
  });
});
