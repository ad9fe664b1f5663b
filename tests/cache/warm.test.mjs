// What is fetched before it is asked for: what is listed, what is likely next, what the cron wants; and
// never more of an origin than was said. The helpers of the package against the Worker itself.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { EdgeCacheError, purgeAll, purgePrefix, purgeTag, purgeUrl, warm } from "../../pkg/backend/cache.js";
import { did, filled, gives, HOST, site, TOKEN } from "./site.mjs";

const FRESH = { "cache-control": "max-age=600" };

/** @type {Awaited<ReturnType<typeof site>>} */
let www;
before(async () => {
  www = await site(
    (url) => ({
      predict_per_minute: 2,
      warm: { sitemap: `http://${HOST}/sitemap.xml`, popular: true, predicted: true, most: 3 },
      routes: [{ host: HOST, path: "/**", origin: url }],
    }),
    { raw: "warm", main: "lossy.js" },
  );
});
after(() => www.close());

/** @param {string} path @param {string} [from] */
const visit = (path, from) => www.ask(path, { accept: "text/html", "sec-fetch-dest": "document", ...(from && { referer: `http://${HOST}${from}` }) });

/** Waits until the origin was asked for something. @param {string} path @param {number} [times] */
async function asked(path, times = 1) {
  const deadline = Date.now() + 10_000;
  while (www.own.asked(path).length < times && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(www.own.asked(path).length, times, path);
}

test("what follows a page is fetched when the page is seen, and no more of it than a minute has", async () => {
  for (const path of ["/start", "/next", "/seldom", "/much", "/third"]) www.own.on(path, gives(FRESH, path));
  for (let index = 0; index < 8; index += 1) await visit("/next", "/start");
  await visit("/seldom", "/start");
  // Elsewhere, or no document: nothing is learned of it.
  await www.ask("/third", { accept: "text/html", referer: "http://elsewhere.invalid/start" });
  await www.ask("/third", { accept: "image/png", referer: `http://${HOST}/start` });
  assert.equal((await www.manage("purge", { all: true })).status, 200);
  await visit("/start");
  await asked("/next", 2);
  assert.equal(did(await visit("/next")), "hit");
  assert.equal(www.own.asked("/seldom").length, 1, "one in nine is not likely");
  // One of the minute's two is used; the minute may turn meanwhile, so more than four are none of two minutes.
  for (let index = 0; index < 6; index += 1) {
    www.own.on(`/from-${index}`, gives(FRESH));
    www.own.on(`/to-${index}`, gives(FRESH));
    for (let times = 0; times < 4; times += 1) await visit(`/to-${index}`, `/from-${index}`);
  }
  await www.manage("purge", { all: true });
  for (let index = 0; index < 6; index += 1) await visit(`/from-${index}`);
  await visit("/start");
  await new Promise((resolve) => setTimeout(resolve, 500));
  const again = [0, 1, 2, 3, 4, 5].filter((index) => www.own.asked(`/to-${index}`).length > 1);
  assert.ok(again.length <= 3, `${again}`);
});

test("a call warms what is likely, by what all isolates have seen", async () => {
  // The ways are carried soon after.
  const deadline = Date.now() + 15_000;
  let sums = { warmed: 0, fresh: 0, left: 0, failed: 0, foreign: 0 };
  while (sums.warmed + sums.fresh + sums.left < 7 && Date.now() < deadline) {
    await www.manage("purge", { all: true });
    sums = JSON.parse((await www.manage("warm?strategy=predicted", "")).body);
  }
  assert.deepEqual(sums, { warmed: 7, fresh: 0, failed: 0, foreign: 0, left: 0 });
  assert.equal(did(await visit("/to-5")), "hit");
});

test("the limit is on what the origins are asked for, and not on the list", async () => {
  const paths = Array.from({ length: 6 }, () => www.page(gives(FRESH)));
  await filled(www, paths[0]);
  const list = paths.map((path) => `http://${HOST}${path}`).join("\n");
  assert.deepEqual(JSON.parse((await www.manage("warm?most=2", list)).body), { warmed: 2, fresh: 1, failed: 0, foreign: 0, left: 3 });
  for (const most of ["0", "-1", "x", "1001"]) assert.equal((await www.manage(`warm?most=${most}`, list)).status, 400, most);
  assert.match(JSON.parse((await www.manage("warm", "<sitemapindex></sitemapindex>")).body).detail, /index of sitemaps/);
});

test("the cron warms the pages of the sitemap, as far as it may", async () => {
  const paths = Array.from({ length: 5 }, () => www.page(gives(FRESH)));
  www.own.on("/sitemap.xml", gives({ "content-type": "application/xml" }, `<urlset>${paths.map((path) => `<url><loc>http://${HOST}${path}</loc></url>`).join("")}</urlset>`));
  assert.equal((await www.ask("/cron")).status, 200);
  const warmed = paths.filter((path) => www.own.asked(path).length === 1);
  assert.equal(warmed.length, 3);
  for (const path of warmed) assert.equal(did(await www.ask(path)), "hit");
  const { calls } = JSON.parse((await www.manage("analytics")).body);
  assert.ok(calls.some((/** @type {any} */ call) => call.action === "cron" && JSON.parse(call.outcome).warmed === 3), JSON.stringify(calls));
});

test("and what was asked for most, of all isolates", async () => {
  const path = www.page(gives(FRESH));
  await filled(www, path);
  for (let index = 0; index < 20; index += 1) await www.ask(path);
  // Handed to the clock, and no longer fresh.
  await www.manage("analytics");
  await www.manage("purge", { url: `http://${HOST}${path}` });
  www.own.on("/sitemap.xml", gives({}, "<urlset></urlset>"));
  assert.equal((await www.ask("/cron")).status, 200);
  assert.equal(www.own.asked(path).length, 2);
  assert.equal(did(await www.ask(path)), "hit");
});

test("the package's helpers do what they say to the Worker itself", async () => {
  // The Worker is asked by the host of its routes through the address of this machine.
  const options = { edge: www.product.origin, token: TOKEN };
  const page = async (/** @type {Record<string, string>} */ fields = {}, under = "/") => {
    const path = www.page(gives({ ...FRESH, ...fields }), under);
    await filled(www, path);
    return path;
  };
  const [tagged, addressed, below, all] = [await page({ "cache-tag": "a-tag" }), await page(), await page({}, "/below/"), await page()];
  const first = await purgeTag("a-tag", options);
  assert.equal(did(await www.ask(tagged)), "miss");
  const second = await purgeUrl(`http://${HOST}${addressed}`, options);
  assert.deepEqual([first.purged, second.seq - first.seq], [true, 1]);
  assert.equal(did(await www.ask(addressed)), "miss");
  await purgePrefix(`http://${HOST}/below/`, options);
  assert.equal(did(await www.ask(below)), "miss");
  assert.equal(did(await www.ask(all)), "hit");
  await purgeAll(options);
  assert.equal(did(await www.ask(all)), "miss");
  const cold = www.page(gives(FRESH));
  const sums = await warm([`http://${HOST}${cold}`, "http://elsewhere.invalid/"], { ...options, most: 5 });
  assert.deepEqual(sums, { warmed: 1, fresh: 0, failed: 0, foreign: 1, left: 0 });
  assert.equal(did(await www.ask(cold)), "hit");
  assert.equal(typeof (await warm("popular", options)).warmed, "number");
  assert.equal(typeof (await warm("predicted", options)).warmed, "number");
  await assert.rejects(purgeAll({ ...options, token: "wrong" }), (error) => error instanceof EdgeCacheError && error.status === 401);
});
