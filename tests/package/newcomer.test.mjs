// The steps of docs/nextjs.md as a newcomer takes them, in a fresh project with TypeScript: from the installed package
// to a real page's values beside its budgets, as they stand on the terminal.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { DEVICES, launch } from "../browser/chromium.mjs";
import { ROOT, run } from "../run.mjs";
import { install, ROOM } from "./projects.mjs";

const PAGE = await readFile(join(ROOT, "docs/nextjs.md"), "utf8");
const [installation, [init], [dev], [doctor]] = [...PAGE.matchAll(/^```sh\n([^]*?)^```$/gm)].map(([, text]) => text.trim().split("\n"));
/** The framework and workerd are found in the folders above. */
const project = join(ROOM, "newcomer");
const next = join(ROOM, "node_modules/.bin/next");
const cli = join(ROOM, "node_modules/edge-vitals/cli/edge-vitals.js");

/** @type {Program[]} */
const programs = [];
before(async () => {
  await install();
  await rm(project, { recursive: true, force: true });
  await mkdir(project, { recursive: true });
  await cp(join(import.meta.dirname, "projects/fresh"), project, { recursive: true });
});
after(async () => {
  for (const program of programs) await program.end();
});

/** A server in a group of its own, with everything that it prints. */
class Program {
  output = "";

  /** @param {string[]} words */
  constructor([program, ...words]) {
    const env = { ...process.env, NEXT_TELEMETRY_DISABLED: "1", NODE_ENV: undefined, NO_COLOR: "1" };
    this.child = spawn(program, words, { cwd: project, env: /** @type {any} */ (env), detached: true, stdio: ["ignore", "pipe", "pipe"] });
    this.ended = new Promise((resolve) => this.child.once("exit", resolve));
    for (const stream of [this.child.stdout, this.child.stderr]) stream?.on("data", (chunk) => (this.output += chunk));
    programs.push(this);
  }

  /** Resolves to what it prints, at the latest when it ends without it. @param {RegExp} what @returns {Promise<RegExpExecArray>} */
  prints(what) {
    return new Promise((resolve, reject) => {
      const look = () => {
        const found = what.exec(this.output);
        if (found) resolve(found);
      };
      for (const stream of [this.child.stdout, this.child.stderr]) stream?.on("data", look);
      this.ended.then(() => reject(new Error(`it ended without ${what}:\n${this.output}`)));
      setTimeout(() => reject(new Error(`after ${PATIENCE_MS} ms, there is no ${what}:\n${this.output}`)), PATIENCE_MS).unref();
      look();
    });
  }

  async end() {
    if (this.child.pid && this.child.exitCode === null) process.kill(-this.child.pid, "SIGTERM");
    await this.ended;
  }
}

test("the steps lead to a page's values beside its budgets on the terminal, and a refused origin is named everywhere", { timeout: 180_000 }, async () => {
  assert.deepEqual(installation, ["npm install edge-vitals", "npm install --save-dev workerd"]);
  const own = await readFile(join(project, "wrangler.jsonc"), "utf8");
  const made = await run(project, ["bash", "-c", `npx() { shift; node ${cli} "$@"; }\n${init}`]);
  assert.equal(made.code, 0, made.err);
  assert.equal(await readFile(join(project, "wrangler.jsonc"), "utf8"), own, "the project's own configuration is untouched");
  assert.deepEqual((await readdir(join(project, "edge-vitals"))).sort(), ["budgets.json", "lighthouserc.cjs", "wrangler.toml"]);
  assert.ok(made.out.includes("<VitalsRoute overlay />") && made.out.includes(dev), made.out);
  assert.doesNotMatch(await readFile(join(project, "edge-vitals/wrangler.toml"), "utf8"), /localhost/);
  assert.ok(!existsSync(join(project, "wrangler.toml")) && existsSync(join(project, "instrumentation-client.ts")));

  const [port, other] = [await free(), await free()];
  assert.equal(dev, "npx edge-vitals dev");
  const worker = new Program(["node", cli, "dev", "--port", String(port), "--page", `http://localhost:${other}`]);
  await worker.prints(new RegExp(`Dashboard +http://localhost:${port}/[^]*Waiting for the first beacon`));
  // In a project whose development server has this port, and the Worker that of the file, nothing is to be changed.
  const file = join(project, "instrumentation-client.ts");
  await writeFile(file, (await readFile(file, "utf8")).replace("localhost:8787", `localhost:${port}`));
  const application = new Program([next, "dev", "--port", String(other), "--hostname", "localhost"]);
  await application.prints(/Ready in/);

  const browser = await launch("desktop");
  try {
    const context = await browser.newContext(DEVICES.desktop);
    const page = await context.newPage();
    page.setDefaultTimeout(60_000);
    await page.goto(`http://localhost:${other}/`);
    const overlay = page.getByRole("region", { name: "Web vitals of this page" });
    await overlay.locator("[data-metric=LCP] td").first().filter({ hasText: /\d ms/ }).waitFor();
    await overlay.getByText("No beacon was sent yet").waitFor();
    await page.getByRole("link", { name: "Second" }).click();
    await page.getByRole("heading", { name: "Second" }).waitFor();
    await overlay.locator("[data-path]").filter({ hasText: "/second" }).waitFor();
    await overlay.getByText("The last beacon was accepted").waitFor();
    await worker.prints(/✓ Beacons arrive from http:\/\/localhost:\d+; the first is of \/\.[^]*\n {2}\/ +desktop +LCP +[\d,]+ ms +≤ 2,000 ms +29 more views until a verdict/);

    const asked = await run(project, ["bash", "-c", `npx() { shift; node ${cli} "$@"; }\n${doctor.replace("8787", String(port)).replace("localhost:3000", `localhost:${other}`)}`]);
    assert.equal(asked.code, 0, asked.err);
    assert.match(asked.out, /views? of real visitors[^]*All checks passed\./);

    // The same pages, with an origin that nobody has listed.
    await worker.end();
    const origin = `http://localhost:${other}`;
    const strict = new Program(["node", cli, "dev", "--port", String(port), "--page", "http://localhost:1"]);
    await strict.prints(/Waiting for the first beacon/);
    await page.goto(`${origin}/`);
    await overlay.locator("[data-metric=LCP] td").first().filter({ hasText: /\d ms/ }).waitFor();
    await page.getByRole("link", { name: "Second" }).click();
    await page.getByRole("heading", { name: "Second" }).waitFor();
    await overlay.getByText(`Refused with 403: The origin \`${origin}\` is not in the list of this site; add it to SITES in wrangler.toml.`).waitFor();
    await strict.prints(new RegExp(`✗ Refused: beacons from ${origin}, which is not an origin of portal\\.\\n {2}Restart with \`npx edge-vitals dev --page ${origin}\``));
    const refused = await run(project, ["node", cli, "doctor", "--url", `http://localhost:${port}`, "--origin", `${origin}/`]);
    assert.equal(refused.code, 2);
    assert.ok(refused.err.includes(`pages of ${origin} may not send beacons\n  add "${origin}" to \`origins\` of portal in SITES`), refused.err);
    const unasked = await run(project, ["node", cli, "doctor", "--url", `http://localhost:${port}`]);
    assert.match(unasked.out, /! (1 beacon of another origin was|\d+ beacons of other origins were) refused in the last day/);
    await context.close();
  } finally {
    await browser.close();
  }
});

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

const PATIENCE_MS = 60_000;
