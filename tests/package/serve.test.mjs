// `edge-vitals serve`: the Worker on workerd with its data on disk. What it has acknowledged survives kill -9 of all its
// processes, its cron runs, and visitors cannot choose their address.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import yaml from "js-yaml";

import { options } from "../../pkg/cli/serve.js";
import { beacon, DESKTOP } from "../product.mjs";
import { directory, ROOT, run } from "../run.mjs";

const CLI = join(ROOT, "pkg/cli/edge-vitals.js");
const TOKENS = { READ_TOKEN: "a token for reading", MANAGE_TOKEN: "a token for managing", CACHE_TOKEN: "a token for the cache" };

/** @type {string} */
let folder;
/** @type {Awaited<ReturnType<typeof start>>} */
let server;
before(async () => {
  folder = directory();
  writeFileSync(join(folder, "serve.json"), JSON.stringify({ SITES: { portal: { origins: ["https://portal.example"], network_limit: 60 }, open: { public: true } }, PUBLIC_CACHE_SECONDS: "0" }));
  server = await start();
});
after(() => server.kill("SIGTERM"));

/** Starts it on a free port; resolves once it serves. @param {string[]} [more] */
async function start(more = []) {
  const child = spawn(process.execPath, [CLI, "serve", "--data", "data", "--config", "serve.json", "--port", "0", "--trust-proxy", ...more], { cwd: folder, env: { ...process.env, ...TOKENS }, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  /** @type {Promise<number | null>} */
  const ended = new Promise((resolve) => child.once("exit", (code) => resolve(code)));
  const port = await new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk) => {
        output += chunk;
        const found = /Serving on 127\.0\.0\.1:(\d+)/.exec(output);
        if (found) resolve(found[1]);
      });
    }
    ended.then((code) => reject(new Error(`it ended with ${code}:\n${output}`)));
  });
  const origin = `http://127.0.0.1:${port}`;
  return {
    origin,
    output: () => output,
    ended,
    workerd: Number(readFileSync(join(folder, "data/workerd.pid"), "utf8").split(" ")[0]),
    /** @param {NodeJS.Signals} signal */
    kill(signal) {
      child.kill(signal);
      return ended;
    },
    /** @param {any} fields @param {Record<string, string>} [headers] */
    send: (fields, headers = {}) => fetch(`${origin}/v1/vitals`, { method: "POST", body: JSON.stringify(beacon({ site: "portal", ...fields })), headers: { "user-agent": DESKTOP, "x-forwarded-for": "192.0.2.1", ...headers } }),
    /** @param {string} path */
    read: async (path) => {
      const response = await fetch(origin + path, { headers: { authorization: `Bearer ${TOKENS.READ_TOKEN}` } });
      assert.equal(response.status, 200, path);
      return response.json();
    },
  };
}

test("the dashboard, the client and the budgets are served, and secrets are in no file", async () => {
  const [dashboard, client, budgets] = await Promise.all(["/", "/v1/client.js", "/v1/budgets.json"].map((path) => fetch(server.origin + path)));
  assert.match(dashboard.headers.get("content-security-policy") ?? "", /default-src 'none'/);
  assert.deepEqual([client.headers.get("content-type"), client.headers.get("access-control-allow-origin"), client.headers.get("cross-origin-resource-policy")], ["text/javascript; charset=utf-8", "*", "cross-origin"]);
  assert.equal(await budgets.text(), readFileSync(join(ROOT, "lighthouse/budgets.json"), "utf8"));
  const again = await fetch(`${server.origin}/v1/client.js`, { headers: { "if-none-match": client.headers.get("etag") ?? "" } });
  assert.equal(again.status, 304);
  for (const path of ["/_headers", "/dashboard", "/dashboard/", "/nowhere"]) assert.equal((await fetch(server.origin + path)).status, 404, path);
  const config = readFileSync(join(folder, "data/workerd.capnp"), "utf8");
  for (const token of Object.values(TOKENS)) assert.ok(!config.includes(token));
  assert.equal((await fetch(`${server.origin}/api/vitals/summary?site=portal`)).status, 401);
});

test("a visitor's address is the one that the proxy appended, whatever the visitor sends", async () => {
  const sends = Array.from({ length: 90 }, (_, index) => server.send({}, { "cf-connecting-ip": `203.0.113.${index}`, "x-forwarded-for": `203.0.113.${index}, 198.51.100.7` }));
  const refused = (await Promise.all(sends)).filter(({ status }) => status === 429);
  // A burst across the turn of a minute passes up to twice the limit.
  assert.ok(refused.length > 0, "all 90 count as of one network, which may send 60 in a minute");
  assert.equal((await server.send({}, { "x-forwarded-for": "192.0.2.44" })).status, 200);
});

test("acknowledged views survive kill -9 of all processes, and each counts once", { timeout: 60_000 }, async () => {
  const { views: before } = await server.read("/api/vitals/summary?site=open");
  let acknowledged = 0;
  let sent = 0;
  for (let round = 0; round < 2; round += 1) {
    let isKilled = false;
    const sender = async () => {
      while (!isKilled) {
        sent += 1;
        const response = await server.send({ site: "open" }, { "x-forwarded-for": `192.0.2.${sent % 200}` }).catch(() => undefined);
        if (response?.status === 200) acknowledged += 1;
        // A number of responses, not a time.
        if (acknowledged >= 200 * (round + 1) && !isKilled) {
          isKilled = true;
          process.kill(server.workerd, "SIGKILL");
        }
      }
    };
    await Promise.all(Array.from({ length: 16 }, sender));
    assert.equal(await server.ended, 2, "the program ends with workerd, so that it is started again");
    assert.match(server.output(), /workerd ended by itself/);
    server = await start();
  }
  const { views } = await server.read("/api/vitals/summary?site=open");
  assert.ok(views - before >= acknowledged && views - before <= sent, `${acknowledged} acknowledged, ${views - before} stored, ${sent} sent`);
});

test("a run that was killed alone leaves workerd behind, which the next run ends; two runs never share a folder", { timeout: 60_000 }, async () => {
  const second = await run(folder, ["node", CLI, "serve", "--data", "data", "--site", "portal"]);
  assert.equal(second.code, 2);
  assert.match(second.err, /data is in use by another run/);
  const { workerd } = server;
  await server.kill("SIGKILL");
  assert.doesNotThrow(() => process.kill(workerd, 0), "workerd outlives it");
  server = await start();
  assert.throws(() => process.kill(workerd, 0), { code: "ESRCH" });
  assert.equal((await server.send({})).status, 200);
});

test("the cron removes expired entries of the cache and no others", async () => {
  const kv = join(folder, "data/kv");
  writeFileSync(join(kv, "expired"), `${String(Date.now() - 1).padStart(15, "0")}\nold`);
  for (const [name, expires] of [["fresh", Date.now() + 600_000], ["kept", 0]]) writeFileSync(join(kv, String(name)), `${String(expires).padStart(15, "0")}\nnew`);
  await server.kill("SIGTERM");
  // The cron runs at the start, too.
  server = await start();
  assert.deepEqual(readdirSync(kv).filter((name) => ["expired", "fresh", "kept"].includes(name)).sort(), ["fresh", "kept"]);
});

test("every option and file of the container's configuration exists, and the documents show the same", async () => {
  const example = join(ROOT, "examples/self-hosted");
  const [dockerfile, compose] = ["Dockerfile", "compose.yaml"].map((name) => readFileSync(join(example, name), "utf8"));
  const { services } = /** @type {any} */ (yaml.load(compose));
  const entry = JSON.parse(/^ENTRYPOINT (.*)$/m.exec(dockerfile)?.[1] ?? "");
  const words = [...entry.slice(2), ...services.vitals.command];
  for (const word of words.filter((/** @type {string} */ word) => word.startsWith("--"))) assert.ok(word.slice(2) in options, word);
  const mounted = words.filter((/** @type {string} */ word) => word.startsWith("/config/"));
  assert.equal(mounted.length, 2);
  for (const file of mounted) assert.ok(JSON.parse(readFileSync(join(example, file), "utf8")), file);
  assert.deepEqual(Object.keys(services.vitals.environment), Object.keys(TOKENS));
  const guide = readFileSync(join(ROOT, "docs/self-hosting.md"), "utf8");
  assert.ok(guide.includes(`\`\`\`json\n${readFileSync(join(example, "config/serve.json"), "utf8")}\`\`\``));
  const [, documented] = /npx edge-vitals serve (.*)/.exec(guide) ?? [];
  for (const word of documented.split(" ").filter((word) => word.startsWith("--"))) assert.ok(word.slice(2) in options, word);
});
