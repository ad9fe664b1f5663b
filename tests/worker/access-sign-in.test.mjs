// Sign-in through Cloudflare Access: tokens with real RSA signatures, and a team whose keys are on loopback.
import assert from "node:assert/strict";
import { generateKeyPairSync, sign } from "node:crypto";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import { serve } from "../product.mjs";

const keyPair = (/** @type {string} */ kid) => ({ kid, ...generateKeyPairSync("rsa", { modulusLength: 2048 }) });
const [current, next, stranger] = ["k1", "k2", "k1"].map(keyPair);
/** @type {any[]} The keys that the team publishes. */
let published = [current];
let requests = 0;
let isDown = false;

const team = createServer((request, response) => {
  requests += 1;
  if (isDown) return void response.writeHead(500).end();
  assert.equal(request.url, "/cdn-cgi/access/certs");
  response.end(JSON.stringify({ keys: published.map(({ kid, publicKey }) => ({ ...publicKey.export({ format: "jwk" }), kid, alg: "RS256", use: "sig" })) }));
});

let address = "";
/** @type {Awaited<ReturnType<typeof serve>>} */
let product;
before(async () => {
  await new Promise((resolve) => team.listen(0, "127.0.0.1", () => resolve(undefined)));
  address = `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (team.address()).port}`;
  const ACCESS_RIGHTS = JSON.stringify({ "*": ["read"], "ann@example.com": ["manage"] });
  product = await serve({ SITES: { shut: {} }, READ_TOKEN: "read sesame", ACCESS_TEAM: address, ACCESS_AUDIENCE: "tag", ACCESS_RIGHTS });
});
after(async () => {
  await product?.close();
  team.close();
});

const part = (/** @type {object} */ value) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** @param {Record<string, any>} [claims] @param {any} [key] @param {object} [header] */
function token(claims = {}, key = current, header = {}) {
  const signed = `${part({ alg: "RS256", kid: key.kid, ...header })}.${part({ aud: ["tag"], iss: address, exp: Math.floor(Date.now() / 1000) + 60, email: "bob@example.com", ...claims })}`;
  return `${signed}.${sign("sha256", Buffer.from(signed), key.privateKey).toString("base64url")}`;
}

/** @param {string} method @param {string} path @param {string} assertion @param {Record<string, string>} [headers] */
const call = async (method, path, assertion, headers = {}) => (await fetch(`${product.origin}${path}`, { method, headers: { "cf-access-jwt-assertion": assertion, ...headers }, body: method === "POST" ? "{}" : undefined })).status;
const read = (/** @type {string} */ assertion) => call("GET", "/api/vitals/summary?site=shut", assertion);
const stop = (/** @type {string} */ assertion, /** @type {Record<string, string>} */ headers) => call("POST", "/api/performance/monitoring/start?site=shut", assertion, headers);

test("whoever signed in reads, and the team is asked for its keys once", async () => {
  assert.deepEqual(await Promise.all([read(token()), read(token({ aud: "tag" }))]), [200, 200]);
  assert.equal(await read(token({ email: "", common_name: "ci" })), 200);
  assert.ok(requests <= 2, `${requests} requests`);
});

test("a token of another key, application, team or time, or without a signature, is nobody's", async () => {
  const [header, claims] = token().split(".");
  for (const wrong of [
    token({}, stranger),
    token({ aud: ["other"] }),
    token({ iss: "https://evil.example" }),
    token({ exp: Math.floor(Date.now() / 1000) - 1 }),
    token({}, current, { alg: "none" }),
    `${header}.${claims}.`,
    `${header}.${part({ aud: ["tag"], iss: address, exp: 9e9, email: "ann@example.com" })}.${token().split(".")[2]}`,
    "nonsense",
  ]) {
    assert.equal(await read(wrong), 401, wrong);
  }
});

test("rights are by address, and another site's page changes nothing by the visitor's sign-in", async () => {
  const own = { "sec-fetch-site": "same-origin" };
  assert.equal(await stop(token(), own), 401, "bob may read alone");
  const ann = token({ email: "ann@example.com" });
  assert.equal(await stop(ann, own), 200);
  assert.equal(await stop(ann, { "sec-fetch-site": "cross-site", origin: "https://evil.example" }), 403);
  assert.equal(await stop(ann, {}), 403);
});

test("a bearer token counts before a sign-in, and a wrong one is not saved by it", async () => {
  const withToken = (/** @type {string} */ secret) => call("GET", "/api/vitals/summary?site=shut", token(), { authorization: `Bearer ${secret}` });
  assert.deepEqual([await withToken("read sesame"), await withToken("guess")], [200, 401]);
});

test("while the team does not answer, the keys that were fetched last count, and made-up keys ask it once", async () => {
  isDown = true;
  const before = requests;
  assert.equal(await read(token()), 200);
  for (let index = 0; index < 5; index += 1) assert.equal(await read(token({}, { ...next, kid: `made-up-${index}` })), 401);
  assert.ok(requests - before <= 1, `${requests - before} requests`);
  isDown = false;
});
