// The five steps of docs/nextjs.md as a newcomer takes them: what is not built and visited elsewhere (the
// line in the layout) is run here as it stands on the page, up to the first verdict.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync, symlinkSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { beacon, DESKTOP } from "../product.mjs";
import { directory, ROOT, run } from "../run.mjs";

const PAGE = readFileSync(join(ROOT, "docs/nextjs.md"), "utf8");
const [install, local, doctor] = [...PAGE.matchAll(/^```sh\n([^]*?)^```$/gm)].map(([, text]) => text.trim().split("\n"));

/** @type {string} */
let project;
/** @type {import("node:child_process").ChildProcess | undefined} */
let wrangler;
before(() => {
  project = directory({ "package.json": '{ "name": "shop", "dependencies": { "next": "16.0.0" } }' });
  symlinkSync(join(ROOT, "node_modules"), join(project, "node_modules"));
});
after(() => {
  if (wrangler?.pid && wrangler.exitCode === null) process.kill(-wrangler.pid, "SIGTERM");
});

test("the steps lead to a Worker on this machine, a beacon of a page that it takes, and a first verdict", { timeout: 120_000 }, async () => {
  assert.deepEqual(install, ["npm install edge-vitals"]);
  const [init, tool, serve] = local;
  const made = await run(project, ["bash", "-c", `npx() { "$@"; }\n${init}`]);
  assert.equal(made.code, 0, made.err);
  // The next steps that init prints are those of the guide.
  assert.equal(tool, "npm install --save-dev wrangler");
  assert.ok(made.out.includes(serve) && made.out.includes("<VitalsRoute />") && made.out.includes('register({ site: "portal"'), made.out);

  const port = await free();
  const origin = await served([...serve.split(" ").slice(1), "--ip", "127.0.0.1", "--port", String(port), "--show-interactive-dev-session=false"]);
  const sent = await fetch(`${origin}/v1/vitals`, { method: "POST", body: JSON.stringify(beacon({ site: "portal", path: "/" })), headers: { "user-agent": DESKTOP, origin: "http://localhost:3000" } });
  assert.equal(sent.status, 200, await sent.text());

  const asked = await run(project, ["bash", "-c", `npx() { "$@"; }\n${doctor[0].replace("http://localhost:8787", origin)}`]);
  assert.equal(asked.code, 0, asked.err);
  assert.match(asked.out, /1 views of real visitors[^]*All checks passed\./);
  const summary = await (await fetch(`${origin}/api/vitals/summary?site=portal`, { headers: { authorization: "Bearer try" } })).json();
  assert.equal(summary.cells.find((/** @type {any} */ { metric }) => metric === "LCP")?.verdict, "insufficient", JSON.stringify(summary.cells));
});

/** What wrangler serves, in a group of its own: it has children. @param {string[]} words @returns {Promise<string>} */
function served([program, ...words]) {
  const env = { ...process.env, PATH: `${join(ROOT, "node_modules/.bin")}:${process.env.PATH}`, WRANGLER_SEND_METRICS: "false", CLOUDFLARE_CF_FETCH_ENABLED: "false", NO_COLOR: "1" };
  const child = spawn(program, words, { cwd: project, env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
  wrangler = child;
  let said = "";
  return new Promise((resolve, reject) => {
    const read = (/** @type {Buffer} */ bytes) => {
      said += bytes;
      const ready = /Ready on (http:\S+)/.exec(said);
      if (ready) resolve(ready[1]);
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.once("exit", (code) => reject(new Error(`wrangler ended with ${code} before it served:\n${said}`)));
  });
}

/** @returns {Promise<number>} */
function free() {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, "127.0.0.1", () => {
      const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
      server.close(() => resolve(port));
    });
  });
}
