// Prefetching and warming: listed, predicted and popular URLs, and those of the cron, within the
// configured limits. The helpers of the package run against the Worker itself.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { EdgeCacheError, purgeAll, purgePrefix, purgeTag, purgeUrl, warm } from "../../pkg/backend/cache.js";
import { cacheStatus, fill, HOST, respond, site, TOKEN } from "./site.mjs";

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
    { raw: "warm", main: "lossy-acks.js" },
  );
});
after(() => www.close());

/** @param {string} path @param {string} [from] */
const visit = (path, from) => www.ask(path, { accept: "text/html", "sec-fetch-dest": "document", ...(from && { referer: `http://${HOST}${from}` }) });

/** Waits until the origin has received that many requests. @param {string} path @param {number} [times] */
async function waitForFetch(path, times = 1) {
  const deadline = Date.now() + 10_000;
  while (www.own.requests(path).length < times && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(www.own.requests(path).length, times, path);
}

test("the likely next page is prefetched on a visit, within the limit per minute", async () => {
  for (const path of ["/start", "/next", "/seldom", "/much", "/third"]) www.own.on(path, respond(FRESH, path));
  // This tells the cache that the responses of the route do not vary on Accept.
  await visit("/start");
  for (let index = 0; index < 8; index += 1) await visit("/next", "/start");
  await visit("/seldom", "/start");
  // Foreign referrers and subresources are not learned.
  await www.ask("/third", { accept: "text/html", referer: "http://elsewhere.invalid/start" });
  await www.ask("/third", { accept: "image/png", referer: `http://${HOST}/start` });
  assert.equal((await www.manage("purge", { all: true })).status, 200);
  await visit("/start");
  await waitForFetch("/next", 2);
  assert.equal(cacheStatus(await visit("/next")), "hit");
  assert.equal(www.own.requests("/seldom").length, 1, "one in nine is not likely");
  // One of the minute's two is used; since a new minute may begin meanwhile, at most three more are
  // possible.
  for (let index = 0; index < 6; index += 1) {
    www.own.on(`/from-${index}`, respond(FRESH));
    www.own.on(`/to-${index}`, respond(FRESH));
    for (let times = 0; times < 4; times += 1) await visit(`/to-${index}`, `/from-${index}`);
  }
  await www.manage("purge", { all: true });
  for (let index = 0; index < 6; index += 1) await visit(`/from-${index}`);
  await visit("/start");
  await new Promise((resolve) => setTimeout(resolve, 500));
  const again = [0, 1, 2, 3, 4, 5].filter((index) => www.own.requests(`/to-${index}`).length > 1);
  assert.ok(again.length <= 3, `${again}`);
});

test("a call warms the predicted pages of all isolates", async () => {
  // Transitions are delivered soon afterwards.
  const deadline = Date.now() + 15_000;
  let sums = { warmed: 0, fresh: 0, left: 0, failed: 0, foreign: 0 };
  while (sums.warmed + sums.fresh + sums.left < 7 && Date.now() < deadline) {
    await www.manage("purge", { all: true });
    sums = JSON.parse((await www.manage("warm?strategy=predicted", "")).body);
  }
  assert.deepEqual(sums, { warmed: 7, fresh: 0, failed: 0, foreign: 0, left: 0 });
  assert.equal(cacheStatus(await visit("/to-5")), "hit");
});

test("the limit applies to requests of the origin, not to the list", async () => {
  const paths = Array.from({ length: 6 }, () => www.page(respond(FRESH)));
  await fill(www, paths[0]);
  const list = paths.map((path) => `http://${HOST}${path}`).join("\n");
  assert.deepEqual(JSON.parse((await www.manage("warm?most=2", list)).body), { warmed: 2, fresh: 1, failed: 0, foreign: 0, left: 3 });
  for (const most of ["0", "-1", "x", "1001"]) assert.equal((await www.manage(`warm?most=${most}`, list)).status, 400, most);
  assert.match(JSON.parse((await www.manage("warm", "<sitemapindex></sitemapindex>")).body).detail, /is a sitemap index/);
});

test("the cron warms the pages of the sitemap up to the limit", async () => {
  const paths = Array.from({ length: 5 }, () => www.page(respond(FRESH)));
  www.own.on("/sitemap.xml", respond({ "content-type": "application/xml" }, `<urlset>${paths.map((path) => `<url><loc>http://${HOST}${path}</loc></url>`).join("")}</urlset>`));
  assert.equal((await www.ask("/cron")).status, 200);
  const warmed = paths.filter((path) => www.own.requests(path).length === 1);
  assert.equal(warmed.length, 3);
  for (const path of warmed) assert.equal(cacheStatus(await www.ask(path)), "hit");
  const { calls } = JSON.parse((await www.manage("analytics")).body);
  assert.ok(calls.some((/** @type {any} */ call) => call.action === "cron" && JSON.parse(call.outcome).warmed === 3), JSON.stringify(calls));
});

test("the cron warms the most popular pages of all isolates", async () => {
  const path = www.page(respond(FRESH));
  await fill(www, path);
  for (let index = 0; index < 20; index += 1) await www.ask(path);
  // Delivered to the purge clock, and no longer fresh.
  await www.manage("analytics");
  await www.manage("purge", { url: `http://${HOST}${path}` });
  www.own.on("/sitemap.xml", respond({}, "<urlset></urlset>"));
  assert.equal((await www.ask("/cron")).status, 200);
  assert.equal(www.own.requests(path).length, 2);
  assert.equal(cacheStatus(await www.ask(path)), "hit");
});

test("the package's helpers work with the Worker itself", async () => {
  // Helpers address the Worker by the local port, with the host of its routes.
  const options = { edge: www.product.origin, token: TOKEN };
  const page = async (/** @type {Record<string, string>} */ fields = {}, under = "/") => {
    const path = www.page(respond({ ...FRESH, ...fields }), under);
    await fill(www, path);
    return path;
  };
  const [tagged, addressed, below, all] = [await page({ "cache-tag": "a-tag" }), await page(), await page({}, "/below/"), await page()];
  const first = await purgeTag("a-tag", options);
  assert.equal(cacheStatus(await www.ask(tagged)), "miss");
  const second = await purgeUrl(`http://${HOST}${addressed}`, options);
  assert.deepEqual([first.purged, second.seq - first.seq], [true, 1]);
  assert.equal(cacheStatus(await www.ask(addressed)), "miss");
  await purgePrefix(`http://${HOST}/below/`, options);
  assert.equal(cacheStatus(await www.ask(below)), "miss");
  assert.equal(cacheStatus(await www.ask(all)), "hit");
  await purgeAll(options);
  assert.equal(cacheStatus(await www.ask(all)), "miss");
  const cold = www.page(respond(FRESH));
  const sums = await warm([`http://${HOST}${cold}`, "http://elsewhere.invalid/"], { ...options, most: 5 });
  assert.deepEqual(sums, { warmed: 1, fresh: 0, failed: 0, foreign: 1, left: 0 });
  assert.equal(cacheStatus(await www.ask(cold)), "hit");
  assert.equal(typeof (await warm("popular", options)).warmed, "number");
  assert.equal(typeof (await warm("predicted", options)).warmed, "number");
  await assert.rejects(purgeAll({ ...options, token: "wrong" }), (error) => error instanceof EdgeCacheError && error.status === 401);
});

test("the variants that visitors ask for are warmed, and no others", async () => {
  const path = www.page(({ headers }, response) => void response.writeHead(200, { ...FRESH, vary: "accept-encoding" }).end(`for ${headers["accept-encoding"] ?? "none"}`));
  const browser = { "accept-encoding": "gzip, deflate, br, zstd" };
  const visited = www.page(respond(FRESH));
  for (let visits = 0; visits < 400; visits += 1) await www.ask(visited, visits % 4 ? browser : { "accept-encoding": "gzip" });
  const sums = JSON.parse((await www.manage("warm?strategy=listed", `http://${HOST}${path}`)).body);
  const asked = www.own.requests(path).map(({ headers }) => headers["accept-encoding"]);
  assert.ok(asked.includes("zstd, br, gzip") && asked.includes("gzip"), asked.join(" | "));
  assert.equal(sums.warmed, asked.length);
  const first = await www.ask(path, { "accept-encoding": "br, zstd, gzip;q=0.5" });
  assert.deepEqual([cacheStatus(first), first.body], ["hit", "for zstd, br, gzip"], "a browser's first visit");
  assert.equal(cacheStatus(await www.ask(path, { "accept-encoding": "br" })), "miss", "nobody had asked for br alone");
});
