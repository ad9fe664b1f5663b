// `edge-vitals tokens`, and the weak points that `edge-vitals doctor --security` judges.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { weakPoints } from "../../pkg/cli/security.js";
import { directory, run } from "../run.mjs";

const NOW = Date.UTC(2027, 0, 15);

test("a token is printed once, its hash is stored, and a rotation ends with one token", async () => {
  const folder = directory();
  const tokens = (/** @type {string[]} */ ...words) => run(folder, ["edge-vitals", "tokens", ...words]);
  const create = () => tokens("create", "--site", "portal", "--right", "read", "--right", "lab", "--name", "ci", "--days", "30");
  const stored = () => JSON.parse(readFileSync(join(folder, "access-tokens.json"), "utf8"));
  const [first, second] = [await create(), await create()];
  assert.equal(first.code, 0, first.err);
  const token = first.out.trim();
  assert.match(token, /^evt_[\w-]{43}$/);
  const [entry] = stored().portal;
  assert.deepEqual([entry.name, entry.rights, entry.sha256], ["ci", ["read", "lab"], createHash("sha256").update(token).digest("hex")]);
  assert.match(entry.expires, /^\d{4}-\d\d-\d\d$/);
  assert.ok(!readFileSync(join(folder, "access-tokens.json"), "utf8").includes(token));
  assert.notEqual(second.out, first.out);
  const third = await create();
  assert.deepEqual([third.code, stored().portal.length], [2, 2]);
  assert.match(third.err, /two tokens of the name ci already/);
  assert.match((await tokens("list")).out, /^(portal {2}ci {2}read,lab {2}until \d{4}-\d\d-\d\d\n){2}$/);
  assert.equal((await tokens("revoke", "--site", "portal", "--name", "ci", "--oldest")).code, 0);
  assert.deepEqual(stored().portal.length, 1);
  assert.equal((await tokens("revoke", "--site", "portal", "--name", "ci")).code, 0);
  assert.deepEqual(stored(), {});
});

test("mistakes are reported with a remedy and change nothing", async () => {
  const folder = directory();
  /** @type {[string[], RegExp][]} */
  const table = [
    [["create", "--site", "portal", "--name", "a"], /no right given/],
    [["create", "--site", "portal", "--name", "a", "--right", "write"], /unknown right "write"\n {2}--right takes read, manage, cache/],
    [["create", "--site", "portal", "--name", "a", "--right", "cache"], /create the token with --site "\*"/],
    [["create", "--site", "portal", "--name", "a b", "--right", "read"], /"a b" is no name/],
    [["create", "--site", "portal", "--name", "a", "--right", "read", "--days", "401"], /from 1 to 400/],
    [["create", "--name", "a", "--right", "read"], /--site is missing/],
    [["revoke", "--site", "portal", "--name", "a"], /portal has no token of the name a/],
    [["drop"], /unknown action "drop"/],
  ];
  for (const [words, says] of table) {
    const { code, err } = await run(folder, ["edge-vitals", "tokens", ...words]);
    assert.equal(code, 2, words.join(" "));
    assert.match(err, says);
  }
  writeFileSync(join(folder, "access-tokens.json"), "[");
  assert.match((await run(folder, ["edge-vitals", "tokens", "list"])).err, /not a table of tokens by site/);
});

const SAFE = { probe: { site: "shop", url: "https://vitals.example.com/", isPublic: false, hasReadToken: true, openManage: [], unknownSiteAnswer: 401, foreignOriginAllowed: false }, tokens: { shop: [{ name: "ci", rights: ["read"], sha256: "", expires: "2027-06-30" }] }, secrets: {} };

test("a deployment without weak points is told so", () => {
  assert.deepEqual(weakPoints(SAFE, NOW), []);
});

test("each weak point is found alone, with a remedy", () => {
  const token = (/** @type {Record<string, unknown>} */ more) => ({ ...SAFE, tokens: { shop: [{ ...SAFE.tokens.shop[0], ...more }] } });
  const probe = (/** @type {Record<string, unknown>} */ more) => ({ ...SAFE, probe: { ...SAFE.probe, ...more } });
  const route = (/** @type {Record<string, unknown>} */ more) => ({ ...SAFE, routes: [{ host: "www.example.com", path: "/**", ...more }] });
  /** @type {[any, "weak" | "note", RegExp][]} */
  const table = [
    [probe({ url: "http://vitals.example.com/" }), "weak", /without encryption/],
    [probe({ isPublic: true }), "note", /anybody may read/],
    [probe({ openManage: ["/api/alerts"] }), "weak", /answers without a token/],
    [probe({ unknownSiteAnswer: 404 }), "weak", /does not exist is told/],
    [probe({ foreignOriginAllowed: true }), "weak", /any origin may send/],
    [probe({ hasReadToken: false }), "note", /READ_TOKEN is not in the environment/],
    [{ ...SAFE, sites: { shop: {} } }, "note", /need no page token/],
    [{ ...SAFE, sites: { shop: { evidence: "counted" } } }, "note", /need no page token/],
    [{ ...SAFE, sites: { shop: { origins: ["*"], evidence: "required" } } }, "weak", /takes beacons from pages of any origin/],
    [{ ...SAFE, sites: { shop: { public: true, evidence: "required" } } }, "note", /shop is public/],
    [{ ...SAFE, sites: { shop: { sampling: [10, 1000], evidence: "required" } } }, "note", /count 1000 times/],
    [token({ expires: "2027-01-15" }), "note", /expired on 2027-01-15/],
    [token({ expires: "2030-01-01" }), "weak", /valid until 2030-01-01/],
    [{ ...SAFE, tokens: { "*": [{ ...SAFE.tokens.shop[0], rights: ["manage"] }] } }, "note", /manages every site/],
    [{ ...SAFE, secrets: { READ_TOKEN: "short" } }, "weak", /has 5 characters/],
    [{ ...SAFE, tokens: {}, secrets: { READ_TOKEN: "x".repeat(40) } }, "note", /one token for all sites and never expire/],
    [{ ...SAFE, secrets: { MANAGE_TOKEN: "x".repeat(40), READ_TOKEN: "x".repeat(40) } }, "weak", /READ_TOKEN is also another secret/],
    [route({ path: "/admin/**" }), "note", /anybody reaches www\.example\.com\/admin/],
    [route({ vary: ["Origin"] }), "weak", /may hold what a visitor sent in Origin/],
  ];
  for (const [findings, level, about] of table) {
    const points = weakPoints(findings, NOW);
    assert.deepEqual(points.map((point) => [point.level, about.test(point.about), point.remedy.length > 10]), [[level, true, true]], String(about));
  }
});
