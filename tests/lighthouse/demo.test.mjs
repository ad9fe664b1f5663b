// The product's own demo under its own configuration and budgets, as a phone and as a desktop.
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { serve } from "../product.mjs";
import { directory, ROOT, run } from "../run.mjs";

const CONFIG = join(ROOT, "lighthouse/lighthouserc.cjs");

/** @type {Awaited<ReturnType<typeof serve>>} */
let product;
before(async () => {
  product = await serve({ MANAGE_TOKEN: "manage sesame" });
  // The first request includes the start of workerd.
  await (await fetch(`${product.origin}/demo/`)).text();
});
after(() => product.close());

for (const device of ["phone", "desktop"]) {
  test(`the demo page meets every budget on a ${device}`, async () => {
    const lab = join(directory(), device);
    mkdirSync(lab);
    const env = { LAB_DEVICE: device, LAB_URLS: `${product.origin}/demo/` };
    const collected = await run(lab, ["lhci", "collect", `--config=${CONFIG}`, "--numberOfRuns=1"], env);
    assert.equal(collected.code, 0, collected.err);
    const asserted = await run(lab, ["lhci", "assert", `--config=${CONFIG}`], env);
    const verified = await run(lab, ["edge-vitals", "verify-lhci", "--config", CONFIG], env);
    assert.deepEqual([asserted.code, verified.code], [0, 0], verified.out + verified.err);
    const report = readdirSync(join(lab, ".lighthouseci")).find((name) => name.startsWith("lhr-") && name.endsWith(".json"));
    const { configSettings, audits, categories } = JSON.parse(readFileSync(join(lab, ".lighthouseci", report ?? ""), "utf8"));
    assert.equal(configSettings.formFactor, device === "phone" ? "mobile" : "desktop");
    assert.match(verified.out, /total-blocking-time \(for INP\)/);

    const command = ["edge-vitals", "lab", "upload", "--url", product.origin, "--site", "demo", "--release", "1.2.3"];
    const rejected = await run(lab, command, { MANAGE_TOKEN: "wrong" });
    assert.deepEqual([rejected.code, /rejected MANAGE_TOKEN/.test(rejected.err)], [2, true], rejected.err);
    const uploaded = await run(lab, command, { MANAGE_TOKEN: "manage sesame" });
    assert.equal(uploaded.code, 0, uploaded.err);
    const uploads = await (await fetch(`${product.origin}/api/lab?site=demo`)).json();
    const page = uploads.pages.find((/** @type {any} */ page) => page.device === device);
    assert.deepEqual([page.path, page.route, page.release, page.runs], ["/demo/", "/demo/", "1.2.3", 1]);
    assert.equal(page.medians.LCP, audits["largest-contentful-paint"].numericValue);
    assert.equal(page.medians.TBT, audits["total-blocking-time"].numericValue);
    assert.equal(page.score, categories.performance.score);
  });
}
