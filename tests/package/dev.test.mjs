// `edge-vitals dev` without a browser: the cache before a server, the budgets while they are edited, the site of the
// project, and what it says where it cannot start. tests/package/newcomer.test.mjs has the pages.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { beacon, DESKTOP } from "../product.mjs";
import { directory, ROOT, run } from "../run.mjs";

const CLI = join(ROOT, "pkg/cli/edge-vitals.js");

/** @type {string} */
let project;
/** @type {import("node:child_process").ChildProcess} */
let dev;
let output = "";
/** @type {number} */
let port;
let renders = 0;
const server = createServer((_, response) => {
  renders += 1;
  response.writeHead(200, { "content-type": "text/html", "cache-control": "s-maxage=60" }).end("<title>A page</title>");
});

before(async () => {
  await new Promise((resolve) => void server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const origin = `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}`;
  project = directory({ "package.json": '{ "name": "shop", "scripts": { "dev": "astro dev --port 4000" }, "devDependencies": { "astro": "1" } }' });
  assert.equal((await run(project, ["node", CLI, "init", "--site", "portal"])).code, 0);
  port = await free();
  dev = spawn(process.execPath, [CLI, "dev", "--port", String(port), "--origin", origin], { cwd: project, stdio: ["ignore", "pipe", "pipe"] });
  for (const stream of [dev.stdout, dev.stderr]) stream?.on("data", (chunk) => (output += chunk));
  await printed(/Waiting for the first beacon/);
});
after(() => {
  dev.kill("SIGTERM");
  server.close();
});

/** Resolves once the words are on the terminal. @param {RegExp} what */
function printed(what) {
  return new Promise((resolve, reject) => {
    const look = () => what.test(output) && resolve(undefined);
    for (const stream of [dev.stdout, dev.stderr]) stream?.on("data", look);
    dev.once("exit", () => reject(new Error(`it ended without ${what}:\n${output}`)));
    look();
  });
}

/** @param {any} fields @param {string} origin */
const send = (fields, origin) => fetch(`http://localhost:${port}/v1/vitals`, { method: "POST", body: JSON.stringify(beacon({ site: "portal", ...fields })), headers: { "user-agent": DESKTOP, origin } });

test("with --origin, pages come through the cache, and the dashboard has an address of its own", async () => {
  // The first response tells on which fields of a browser's request the pages vary.
  for (const status of [/fwd=uri-miss.*not-varied/, /stored/, /hit.*memory/]) {
    const response = await fetch(`http://localhost:${port}/a`);
    assert.equal(await response.text(), "<title>A page</title>");
    assert.match(response.headers.get("cache-status") ?? "", status);
  }
  assert.equal(renders, 2);
  assert.match(await (await fetch(`http://127.0.0.1:${port}/`)).text(), /<title>edge-vitals/);
});

test("the port of the script and the site of init are taken, and every kind of refusal is named", async () => {
  assert.match(output, /Astro: pages of http:\/\/localhost:4000, site portal/);
  assert.equal((await send({ path: "/first" }, "http://localhost:4000")).status, 200);
  await printed(/✓ Beacons arrive from http:\/\/localhost:4000; the first is of \/first\.[^]*29 more views until a verdict/);
  assert.equal((await send({}, "http://127.0.0.1:4000")).status, 200);
  const refused = await send({}, "http://localhost:4001");
  // The page may read why.
  assert.deepEqual([refused.status, refused.headers.get("access-control-allow-origin")], [403, "http://localhost:4001"]);
  await printed(/Restart with `npx edge-vitals dev --page http:\/\/localhost:4001`/);
  const unknown = await send({ site: "shop" }, "http://localhost:4001");
  assert.deepEqual([unknown.status, unknown.headers.get("access-control-allow-origin")], [404, "http://localhost:4001"]);
  await printed(/Write `site: "portal"` in your pages, or restart with `npx edge-vitals dev --site shop`/);
  await send({ path: 7 }, "http://localhost:4000");
  await printed(/✗ Refused with 4\d\d: `path`/);
});

test("budgets count as they are edited", async () => {
  const file = join(project, "edge-vitals/budgets.json");
  const changed = readFileSync(file, "utf8").replace("2000", "1900");
  writeFileSync(file, changed);
  assert.equal(await (await fetch(`http://127.0.0.1:${port}/v1/budgets.json`)).text(), changed);
});

test("a port or a folder in use is said with a remedy", async () => {
  const second = await run(project, ["node", CLI, "dev", "--port", String(port), "--data", "other"]);
  assert.equal(second.code, 2);
  assert.match(second.err, new RegExp(`127\\.0\\.0\\.1:${port} is in use by another program\\n {2}choose another port with --port N`));
  const third = await run(project, ["node", CLI, "dev", "--port", "0"]);
  assert.match(third.err, /\.edge-vitals\/dev is in use by another run/);
});

/** @returns {Promise<number>} */
function free() {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.listen(0, "127.0.0.1", () => {
      const { port } = /** @type {import("node:net").AddressInfo} */ (probe.address());
      probe.close(() => resolve(port));
    });
  });
}
