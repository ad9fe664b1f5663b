// The published schema of the beacon agrees with the Worker on every body: the validator knows only the
// schema, the Worker only its parser.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Ajv2020 } from "ajv/dist/2020.js";

import { beacon, serve } from "../product.mjs";

/** @type {Awaited<ReturnType<typeof serve>>} */
let product;
/** @type {import("ajv").ValidateFunction} */
let valid;
before(async () => {
  product = await serve();
  const answer = await fetch(`${product.origin}/v1/beacon.schema.json`);
  assert.equal(answer.status, 200);
  valid = new Ajv2020({ strict: true, allowUnionTypes: true }).compile(await answer.json());
});
after(() => product.close());

/** @param {unknown} body */
async function checkAgreement(body) {
  const taken = (await product.send(/** @type {any} */ (body))).status === 200;
  const text = JSON.stringify(body);
  assert.equal(taken, valid(JSON.parse(text)), `${text}: ${taken ? "accepted" : "rejected"}, contrary to the schema`);
  return taken;
}

const fullBeacon = () =>
  beacon({
    route: "/a/:id",
    m: { FCP: 812, LCP: 1204, CLS: 12, INP: 56, FID: 3, TTFB: 120 },
    release: "2026.11.1",
    w: 4,
    dim: { plan: "pro" },
    cache: "hit",
    net: "4g",
    bot: 0,
    lost: "csp",
  });

test("each field is accepted and rejected as in the schema", async () => {
  /** @type {[Record<string, any>, boolean][]} */
  const table = [
    [{}, true],
    [{ unknown: [1, { 2: 3 }] }, true],
    [{ v: 2 }, false],
    [{ v: undefined }, false],
    [{ site: undefined }, false],
    [{ id: "0".repeat(15) }, false],
    [{ id: "0".repeat(33) }, false],
    [{ id: "A".repeat(16) }, false],
    [{ view: 65535 }, true],
    [{ view: 65536 }, false],
    [{ seq: 31 }, true],
    [{ seq: 32 }, false],
    [{ seq: -1 }, false],
    [{ nav: "reload" }, true],
    [{ nav: "teleport" }, false],
    [{ path: `/${"x".repeat(1023)}` }, true],
    [{ path: `/${"x".repeat(1024)}` }, false],
    [{ path: "relative" }, false],
    [{ path: "/a\tb" }, false],
    [{ path: "/a\u0085b" }, false],
    [{ route: null }, true],
    [{ route: `/${"x".repeat(256)}` }, false],
    [{ age: 86_400_000 }, true],
    [{ age: 86_400_001 }, false],
    [{ age: null }, false],
    [{ m: {} }, true],
    [{ m: null }, false],
    [{ m: { LCP: 600_000, CLS: 100_000 } }, true],
    [{ m: { LCP: 600_001 } }, false],
    [{ m: { CLS: 100_001 } }, false],
    [{ m: { LCP: 0.5 } }, false],
    [{ m: { SPEED: 1 } }, false],
    [{ release: "" }, false],
    [{ release: null }, true],
    [{ w: 0 }, false],
    [{ w: 10_000 }, true],
    [{ w: 10_001 }, false],
    [{ dim: { a: "1", b: "2", c: "3", d: "4", e: "5" } }, true],
    [{ dim: { a: "1", b: "2", c: "3", d: "4", e: "5", f: "6" } }, false],
    [{ dim: { "a b": "1" } }, false],
    [{ dim: { a: "" } }, false],
    [{ dim: { a: 1 } }, false],
    [{ cache: "warm" }, true],
    [{ cache: 1 }, false],
    [{ a: { LCP: { target: "#hero" } } }, true],
    [{ net: "5g" }, false],
    [{ bot: 256 }, false],
    [{ bot: true }, false],
    [{ lost: "boredom" }, false],
  ];
  for (const [change, expected] of table) {
    assert.equal(await checkAgreement({ ...fullBeacon(), ...change }), expected, JSON.stringify(change));
  }
});

test("the schema and the Worker agree on any damaged beacon", async () => {
  const random = createRandom(20261121);
  const odd = [null, true, false, 0, 1, -1, 31.5, 2 ** 33, "", "x", "/x", "a b", "é", "\u0001", [], [1], {}, { LCP: 1 }, { a: "b" }];
  const pick = (/** @type {any[]} */ all) => all[Math.floor(random() * all.length)];
  let taken = 0;
  for (let round = 0; round < 40; round += 1) {
    const bodies = Array.from({ length: 10 }, () => {
      /** @type {Record<string, any>} */
      const body = fullBeacon();
      const damaged = random() < 0.3 ? body.m : body;
      const key = pick(Object.keys(damaged));
      if (random() < 0.2) delete damaged[key];
      else damaged[key] = pick(odd);
      // The Worker serves one site, which the schema cannot know.
      if (valid(JSON.parse(JSON.stringify(body)))) body.site = "demo";
      return body;
    });
    for (const accepted of await Promise.all(bodies.map(checkAgreement))) taken += Number(accepted);
  }
  assert.ok(taken > 50 && taken < 350, `${taken} of 400 were accepted: neither side treats all alike`);
});

/** Creates a generator of numbers from 0 to 1 (mulberry32). @param {number} seed */
function createRandom(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
