// Warming: fetches responses before they are requested, on a call, by the cron, and as prefetches.
import * as wasm from "./index.js";
import { Step } from "./opcodes.js";
import { askOrigin, injectScript, storeBody } from "./origin.js";
import { callClock, syncPurges } from "./purge.js";
import { jsonResponse, toResponse } from "./responses.js";
import { abandon, readBody, readText } from "./streams.js";
import { lookUp, writeTiers } from "./tiers.js";

/** @typedef {"warmed" | "fresh" | "failed" | "foreign" | "left"} WarmResult */

/**
 * Performs the management call.
 * @param {Request} request
 * @param {WorkerEnv} env
 * @param {ExecutionContext} context
 * @param {URLSearchParams} query
 */
export async function warmByCall(request, env, context, query) {
  const strategy = query.get("strategy") ?? "listed";
  const body = await readText(request.body, MAX_LIST_BYTES);
  let list;
  try {
    list = wasm.warm_list(strategy, strategy === "predicted" ? await callClock(env, "/likely", "") : body, query.get("most") ?? undefined, Date.now());
  } catch (error) {
    console.error("the list of likely pages is unavailable:", error);
    return { target: strategy, response: jsonResponse({ detail: "the purge clock did not respond: try again" }, 503) };
  }
  if (typeof list !== "string") return { target: strategy, response: toResponse(list) };
  const { most, urls } = JSON.parse(list);
  const counts = await warmAll(urls, most, env, context, strategy === "popular");
  return { target: `${strategy}: ${urls.length}`, response: jsonResponse(counts) };
}

/**
 * Warms what the configuration lists for the cron.
 * @param {WorkerEnv} env
 * @param {ExecutionContext} context
 */
export async function warmByCron(env, context) {
  const schedule = wasm.scheduled_warming(env);
  if (schedule === undefined) return;
  const { sitemap, popular, predicted, most } = JSON.parse(schedule);
  const urls = [];
  try {
    if (sitemap) urls.push(...(await readSitemap(sitemap, env)));
    if (popular) urls.push(...JSON.parse(await callClock(env, "/popular", "")));
    if (predicted) {
      const list = wasm.warm_list("predicted", await callClock(env, "/likely", ""), undefined, Date.now());
      if (typeof list !== "string") throw new Error(`the likely pages: ${list.body}`);
      urls.push(...JSON.parse(list).urls);
    }
  } catch (error) {
    console.error("the list of pages to warm is incomplete:", error);
  }
  const counts = await warmAll([...new Set(urls)].slice(0, MAX_CRON_URLS), most, env, context, false);
  await callClock(env, "/record", JSON.stringify({ action: "cron", what: `warm: ${urls.length}`, outcome: JSON.stringify(counts) }));
}

/**
 * Prefetches likely next pages, within the quota of the minute.
 * @param {string[]} urls
 * @param {WorkerEnv} env
 * @param {ExecutionContext} context
 */
export async function prefetch(urls, env, context) {
  for (const url of urls) await warm(url, undefined, env, context, false, (exchange) => wasm.take_prefetch_quota(exchange.prefetchesPerMinute, Date.now()));
}

/**
 * Warms each variant of URLs that visitors ask for, a few at a time, with at most `maxRequests` to origins.
 * @param {string[]} urls
 * @param {number} maxRequests
 * @param {WorkerEnv} env
 * @param {ExecutionContext} context
 * @param {boolean} refreshesFresh
 */
async function warmAll(urls, maxRequests, env, context, refreshesFresh) {
  /** @type {Record<WarmResult, number>} */
  const counts = { warmed: 0, fresh: 0, failed: 0, foreign: 0, left: 0 };
  const variants = await codingsToWarm(env);
  const queue = [...urls];
  let requests = 0;
  const takeQuota = () => requests < maxRequests && (requests += 1) > 0;
  const work = async () => {
    for (let url = queue.shift(); url !== undefined; url = queue.shift()) {
      for (const codings of variants) {
        const result = await warm(url, codings, env, context, refreshesFresh, takeQuota);
        counts[result] += 1;
        if (result === "foreign") break;
      }
    }
  };
  await Promise.all(Array.from({ length: CONCURRENT_REQUESTS }, work));
  return counts;
}

/**
 * Returns the Accept-Encoding of each variant that visitors ask for, of this isolate's visitors at the least.
 * @param {WorkerEnv} env
 */
async function codingsToWarm(env) {
  const ofAll = await callClock(env, "/codings", "").catch(() => undefined);
  return wasm.codings_to_warm(ofAll);
}

/**
 * Returns the pages of a sitemap behind a route.
 * @param {string} sitemap
 * @param {WorkerEnv} env
 * @returns {Promise<string[]>}
 */
async function readSitemap(sitemap, env) {
  const exchange = wasm.warming_exchange(env, sitemap, undefined, Date.now());
  if (!exchange) throw new Error(`no route matches the sitemap ${sitemap}`);
  try {
    const { response } = await askOrigin(exchange);
    const bytes = response?.status === 200 ? await readBody(response.body, MAX_LIST_BYTES, exchange.originTimeoutMs) : undefined;
    if (!bytes) throw new Error(`the sitemap ${sitemap} is unavailable or exceeds ${MAX_LIST_BYTES} bytes`);
    const list = wasm.warm_list("listed", new TextDecoder().decode(bytes), undefined, Date.now());
    if (typeof list !== "string") throw new Error(`${sitemap}: ${list.body}`);
    return JSON.parse(list).urls;
  } finally {
    exchange.free();
  }
}

/**
 * @param {string} url
 * @param {string | undefined} codings those of the last client if absent
 * @param {WorkerEnv} env
 * @param {ExecutionContext} context
 * @param {boolean} refreshesFresh
 * @param {(exchange: wasm.CacheExchange) => boolean} takeQuota
 * @returns {Promise<WarmResult>}
 */
async function warm(url, codings, env, context, refreshesFresh, takeQuota) {
  let exchange;
  try {
    exchange = wasm.warming_exchange(env, new URL(url).href, codings, Date.now());
  } catch {
    return "foreign";
  }
  if (!exchange) return "foreign";
  try {
    if (exchange.needsPurgeSync(Date.now())) await syncPurges(env, context, exchange.host);
    const found = await lookUp(exchange, env);
    if (found === Step.SERVE && !refreshesFresh) return "fresh";
    if (found === Step.PASS || found === Step.REFUSE) return "foreign";
    if (!takeQuota(exchange)) return "left";
    const { step, response, isLimited } = await askOrigin(exchange);
    if (isLimited) return "left";
    if (step === Step.STORE && response) return (await storeBody(exchange, env, injectScript(exchange, response))) ? "warmed" : "failed";
    if (step === Step.SERVE) {
      await writeTiers(exchange, env);
      return "warmed";
    }
    abandon(response?.body);
    return "failed";
  } catch {
    return "failed";
  } finally {
    exchange.free();
  }
}

const MAX_LIST_BYTES = 1 << 20;
const MAX_CRON_URLS = 1_000;
const CONCURRENT_REQUESTS = 4;
