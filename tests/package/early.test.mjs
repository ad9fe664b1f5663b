//! Visits to a real Next.js application that end soon after the first byte, with an empty cache: the share that the
//! client counts beside Next.js's own hook, which reports once the page is hydrated. `VISITS` is the number of visits for
//! each time; with many, the client has to count more than the hook, and not only as many.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Browser } from "../parity/browser.mjs";
import { serve as serveWorker } from "../product.mjs";
import { build, install, PROJECTS, serve } from "./projects.mjs";

const VISITS = Number(process.env.VISITS ?? 3);
const MANY = 20;
/** From the first byte to the end of a visit. */
const TIMES_MS = [50, 100, 200, 500];

describe("visits that end early", () => {
  /** @type {Awaited<ReturnType<typeof serveWorker>>} */
  let worker;
  /** @type {Browser} */
  let browser;
  /** @type {Awaited<ReturnType<Browser["window"]>>} */
  let window;
  /** @type {Awaited<ReturnType<typeof serve>>} */
  let site;

  before(async () => {
    await install();
    const [project] = PROJECTS;
    await build(project);
    worker = await serveWorker({ SITES: { portal: { origins: ["*"], public: true } } });
    browser = await Browser.launch();
    window = await browser.window();
    site = await serve(project, worker.origin);
  });
  after(async () => {
    await site?.close();
    await browser?.close();
    await worker?.close();
  });

  test("the client counts the visits that Next.js's hook reports, and earlier ones besides", { timeout: 300_000 }, async (context) => {
    // The first visit fills the server's caches.
    await visit("warm-up", 2000);
    for (const time of TIMES_MS) for (let count = 0; count < VISITS; count += 1) await visit(`${time}-${count}`, time);
    // The beacons of earlier visits are there when that of the last one is.
    await visit("last", 2000);
    await site.hears((beacons) => beacons.some(({ path }) => path === "/early/last"));

    const counted = new Set(site.heard.map(({ beacon }) => beacon.path));
    const measured = new Set(site.heard.filter(({ beacon }) => Object.keys(beacon.m).length > 0).map(({ beacon }) => beacon.path));
    const hooked = new Set(site.hooked);
    const share = (/** @type {Set<string>} */ paths, /** @type {number} */ time) => [...paths].filter((path) => path.startsWith(`/early/${time}-`)).length;
    const rows = TIMES_MS.map((time) => ({ time, counted: share(counted, time), measured: share(measured, time), hook: share(hooked, time) }));
    for (const { time, counted, measured, hook } of rows) {
      context.diagnostic(`closed after ${time} ms: the client counts ${counted} of ${VISITS}, ${measured} of them with values; the hook reports ${hook}`);
    }
    const total = (/** @type {"counted" | "hook"} */ key) => rows.reduce((sum, row) => sum + row[key], 0);
    assert.ok(total("counted") >= total("hook") + Number(VISITS >= MANY), JSON.stringify(rows));
  });

  /** Opens a page in a tab of its own, and closes it so long after its first byte. @param {string} name @param {number} time */
  async function visit(name, time) {
    const tab = await window.open(false);
    await tab.send("Network.enable");
    await tab.send("Network.setCacheDisabled", { cacheDisabled: true });
    const firstByte = tab.event("Network.responseReceived");
    await tab.goto(`${site.origin}/early/${name}`);
    await firstByte;
    await new Promise((resolve) => setTimeout(resolve, time));
    await browser.send("Target.closeTarget", { targetId: tab.targetId });
  }
});
