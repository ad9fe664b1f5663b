// The doctor against the real Worker: test beacons do not affect real data, and configuration errors are reported.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { beacon, serve } from "../product.mjs";
import { directory, ROOT, run } from "../run.mjs";

/** @type {Awaited<ReturnType<typeof serve>>} */
let product;
before(async () => void (product = await serve({ READ_TOKEN: "token", SITES: { demo: { public: true, origins: ["https://portal.example"] }, shut: {} } })));
after(() => product.close());

/** @param {string[]} words @param {Record<string, string>} [env] */
const doctor = (words, env) => run(ROOT, ["edge-vitals", "doctor", "--url", product.origin, ...words], env);

test("a working deployment passes, and a site without visits is reported", async () => {
  const { code, out, err } = await doctor(["--origin", "https://portal.example"]);
  assert.equal(code, 0, err);
  for (const says of [/the client is served/, /pages of https:\/\/portal\.example may send beacons/, /the test beacon was counted/, /budgets\.json is in force at the edge since/, /the edge uses the limits of lighthouse\/budgets\.json/]) {
    assert.match(out, says);
  }
  assert.match(out, /! no views of real visitors in the last day[^]*Beacons are counted; 1 warning\.\n$/);
  await product.send(beacon());
  assert.match((await doctor([])).out, /✓ 1 views of real visitors[^]*All checks passed\.\n$/);
});

test("test beacons do not count as views of real visitors", async () => {
  const views = async (/** @type {string} */ bots) => (await product.summary(`site=demo&bots=${bots}`)).views;
  const before = [await views("exclude"), await views("only")];
  await doctor([]);
  assert.deepEqual([await views("exclude"), await views("only")], [before[0], before[1] + 1]);
});

test("configuration errors are reported with a remedy", async () => {
  const other = directory();
  writeFileSync(join(other, "laxer.json"), '[{ "timings": [{ "metric": "largest-contentful-paint", "budget": 4000 }] }]');
  const differs = await doctor(["--budgets", join(other, "laxer.json")]);
  assert.match(differs.out, /laxer\.json:1 allows LCP 4,000 ms, but the edge uses 2,000 ms/);
  /** @type {[string[], RegExp][]} */
  const table = [
    [["--origin", "https://evil.example"], /pages of https:\/\/evil\.example may not send beacons\n {2}add "https:\/\/evil\.example" to `origins` of demo in SITES/],
    [["--site", "nobody"], /returned 401 for [^ ]+: This site is not public, or there is none of this name/],
    [["--site", "shut"], /returned 401[^]*set READ_TOKEN/],
  ];
  for (const [words, says] of table) {
    const { code, err } = await doctor(words);
    assert.equal(code, 2);
    assert.match(err, says);
  }
  assert.match((await doctor(["--site", "shut"], { READ_TOKEN: "wrong" })).err, /READ_TOKEN is set, but is not the token of this Worker/);
  const open = await doctor(["--site", "shut"], { READ_TOKEN: "token" });
  assert.equal(open.code, 0, open.err);
});

test("the weak points of the deployment are listed, and change nothing", async () => {
  const calls = async () => (await (await fetch(`${product.origin}/api/vitals/summary?site=demo&bots=only`)).json()).views;
  const before = await calls();
  const { code, out, err } = await doctor(["--security", "--site", "demo"], { READ_TOKEN: "token" });
  assert.equal(code, 1, err);
  assert.match(out, /! anybody may read the numbers of demo\n {2}set `public = false`/);
  assert.match(out, /✗ READ_TOKEN has 5 characters and can be guessed/);
  assert.doesNotMatch(out, /answers without a token|does not exist is told/);
  assert.match(out, /Not looked at without --tokens, --edge, --sites\.\n\n1 weak point\.\n$/);
  assert.equal(await calls(), before);
  const shut = await doctor(["--security", "--site", "shut"]);
  assert.equal(shut.code, 0, shut.out);
  assert.match(shut.out, /No weak point found/);
});
