// The edge cache: hit ratio, hits by tier, misses by reason; the explanation of a URL, rule by rule; purging and
// warming, and the log of their calls.
import { apiQuery } from "./address.js";
import { ApiError, fetchStatusJson, hasToken, post, storeToken } from "./api.js";
import { cell, fact, numberCell, pageMessage, placeholder, table } from "./components.js";
import { confirmed, field, requestToken } from "./dialog.js";
import { make } from "./dom.js";
import { ago, bytes, count, dateTime, percent, plural, totalTime } from "./format.js";

/**
 * @typedef {import("./address.js").State} State
 * @typedef {import("./documents.js").CacheAnalytics} CacheAnalytics
 * @typedef {import("./documents.js").AdminCallRecord} CacheCall
 * @typedef {import("./documents.js").CacheExplanation} Explanation
 * @typedef {import("./documents.js").RouteCacheStats} RouteStats
 */

/** @param {State} state @param {() => void} reload @returns {Promise<import("./overview.js").ViewContent>} */
export async function cache(state, reload) {
  const nothing = { title: "Cache", totals: { site: state.site ?? "", views: 1 }, exportData: { name: "cache", columns: [], rows: [], document: null } };
  if (!hasToken("cache")) return { ...nothing, content: [tokenForm(reload, "")] };
  /** @type {CacheAnalytics} */
  let analytics;
  try {
    analytics = await fetchStatusJson("/api/cache/analytics", new URLSearchParams(), "cache");
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 401)) throw error;
    storeToken("cache", null);
    return { ...nothing, content: [tokenForm(reload, "Invalid token. ")] };
  }
  const site = apiQuery(state).get("site");
  const routes = analytics.routes.filter((each) => !site || each.site === site);
  const { tiers, classes, misses, bypassed, ages, keys, calls } = analytics;
  const isUsed = routes.some(({ requests }) => requests > 0);
  return {
    title: "Cache",
    totals: { site: site ?? routes[0]?.site ?? "", views: 1 },
    content: /** @type {Node[]} */ ([
      make("h1", null, "Cache"),
      isUsed ? summary(routes, analytics) : placeholder("No requests in the last day", make("p", null, "No request matched a route in ", make("code", null, "EDGE"), ". See docs/cache.md for its configuration.")),
      isUsed && routeTable(routes),
      isUsed && make("section", { "aria-labelledby": "why" },
        make("h2", { id: "why" }, "Hits, misses and bypasses ", make("small", { class: "quiet" }, "in the last day, all sites")),
        make("div", { class: "breakdowns" },
          breakdown("Hits by tier", "Tier", tiers.map(({ tier, requests }) => [TIER_LABELS[tier] ?? tier, requests])),
          breakdown("Misses by reason", "Reason", misses.map(({ reason, requests }) => [REASON_LABELS[reason] ?? reason, requests])),
          breakdown("Bypasses by reason", "Reason", bypassed.map(({ reason, requests }) => [REASON_LABELS[reason] ?? reason, requests])),
          breakdown("Hits by age", "Age", ages.map(({ from, below, n }) => [`${count(from)} – ${count(below)} s`, n]), false),
          breakdown("Responses by lifetime class", "Class", classes.map((each) => [each.class.replace("_", " "), each.hits + each.stale + each.misses])),
          breakdown("Most requested", "URL", keys.slice(0, 10).map(({ key, requests }) => [key, requests])),
        ),
      ),
      make("div", { class: "breakdowns" }, explainSection(), purgeAndWarm(reload)),
      callLog(calls),
    ].filter(Boolean)),
    exportData: {
      name: "cache",
      columns: ["site", "route", "requests", "hits", "stale", "misses", "bypassed", "hit_ratio", "bytes", "origin_p50", "saved_ms"],
      rows: routes.map((each) => [each.site, each.route, each.requests, each.hits, each.stale, each.misses, each.bypassed, each.hit_ratio, each.bytes, each.origin_p50, each.saved_ms]),
      document: { ...analytics, routes },
    },
  };
}

/** Purges as marks of a chart. @returns {Promise<import("./chart.js").Mark[]>} */
export async function fetchPurges() {
  if (!hasToken("cache")) return [];
  try {
    /** @type {CacheAnalytics} */
    const { calls } = await fetchStatusJson("/api/cache/analytics", new URLSearchParams(), "cache");
    return calls.filter(({ action, outcome }) => action === "purge" && outcome === "200").map(({ at, what }) => ({ at, name: purgeTarget(what), kind: /** @type {const} */ ("purge") }));
  } catch (error) {
    // The chart does without marks.
    if (error instanceof ApiError) return [];
    throw error;
  }
}

/** @param {RouteStats[]} routes @param {CacheAnalytics} analytics */
function summary(routes, { purges }) {
  const sum = (/** @type {(each: RouteStats) => number} */ of) => routes.reduce((total, each) => total + of(each), 0);
  const answered = sum(({ hits, stale }) => hits + stale);
  const cacheable = answered + sum(({ misses }) => misses);
  const uncached = sum(({ bypassed }) => bypassed);
  const slowest = purges.lag_ms.filter(({ n }) => n > 0).map(({ below }) => below).at(-1);
  return make("dl", { class: "facts panel" },
    fact("Hits", cacheable ? percent(answered / cacheable) : "–", `${count(answered)} of ${count(cacheable)}`),
    fact("Requests", count(sum(({ requests }) => requests)), uncached ? `${count(uncached)} bypassed the cache` : "in the last day"),
    fact("Transferred", bytes(sum((each) => each.bytes)), "in the last day"),
    fact("Time saved", totalTime(sum(({ saved_ms }) => saved_ms ?? 0) / 1000), "at the origin"),
    fact("Purges", count(purges.count), `all sites; ${slowest === undefined ? `${plural(purges.marks, "purge version")} stored` : `propagated within ${count(slowest)} ms`}${purges.refused ? `; ${count(purges.refused)} by writes refused` : ""}`),
  );
}

/** @param {string} title @param {string} noun @param {[string, number][]} groups @param {boolean} [isRanked] */
function breakdown(title, noun, groups, isRanked = true) {
  const total = groups.reduce((sum, [, requests]) => sum + requests, 0);
  const rows = isRanked ? [...groups].sort(([, one], [, other]) => other - one) : groups;
  if (total === 0) return make("div", { class: "breakdown" }, make("h3", null, title), make("p", { class: "quiet" }, "None in the last day."));
  return make("div", { class: "breakdown", "data-of": title },
    make("h3", null, title),
    table(title, [{ name: noun }, { name: "Requests", number: true }, { name: "Share", number: true }],
      rows.filter(([, requests]) => requests > 0).map(([name, requests]) => make("tr", { "data-group": name }, make("th", { scope: "row" }, name), numberCell(count(requests)), numberCell(percent(requests / total)))),
    ),
  );
}

/** @param {RouteStats[]} routes */
function routeTable(routes) {
  const rows = routes.slice(0, 100).map((each) => {
    const bar = make("i");
    bar.style.width = `${(each.hit_ratio ?? 0) * 100}%`;
    return make("tr", { "data-route": each.route },
      make("th", { scope: "row" }, each.route),
      make("td", { class: "lost" }, make("span", { class: "bar", "aria-hidden": "true" }, bar), make("span", { "data-ratio": "" }, each.hit_ratio === null ? "–" : percent(each.hit_ratio))),
      numberCell(count(each.requests)),
      numberCell(count(each.hits)),
      numberCell(count(each.stale)),
      numberCell(count(each.misses)),
      numberCell(count(each.bypassed)),
      numberCell(bytes(each.bytes)),
      numberCell(each.origin_p50 === null ? "–" : `${count(each.origin_p50)} ms`),
      numberCell(each.saved_ms === null ? "–" : totalTime(each.saved_ms / 1000)),
    );
  });
  return make("section", { "aria-labelledby": "by-route" },
    make("h2", { id: "by-route" }, "By route ", make("small", { class: "quiet" }, "in the last day")),
    table("The cache by route", [{ name: "Route" }, { name: "Hit ratio" }, { name: "Requests", number: true }, { name: "Hits", number: true }, { name: "Stale", number: true }, { name: "Misses", number: true }, { name: "Bypassed", number: true }, { name: "Transferred", number: true }, { name: "Origin median", number: true }, { name: "Time saved", number: true }], rows),
  );
}

function explainSection() {
  const place = make("div", { role: "status", "data-explained": "" });
  const { input, row } = field("explain-url", "URL", { type: "url", placeholder: "https://www.example.com/users/7" });
  const ask = async (/** @type {Event} */ event) => {
    event.preventDefault();
    place.replaceChildren(make("p", { class: "quiet" }, "Loading…"));
    try {
      place.replaceChildren(...explanation(await fetchStatusJson("/api/cache/explain", new URLSearchParams({ url: input.value }), "cache")));
    } catch (error) {
      place.replaceChildren(make("p", { class: "wrong" }, error instanceof Error ? error.message : String(error)));
    }
  };
  return make("section", { class: "breakdown padded", "aria-labelledby": "explain" }, make("h2", { id: "explain" }, "Explain a URL"), make("form", { class: "inline", onsubmit: ask }, row, make("button", { type: "submit", class: "primary" }, "Explain")), place);
}

/** @param {Explanation} explained */
function explanation({ route, does, because, stored, assumed }) {
  return [
    make("p", null, make("b", null, STEP_LABELS[does] ?? does), route ? [", route ", make("code", null, route)] : ""),
    make("ol", { class: "because" }, because.map((ground) => make("li", null, ground))),
    stored
      ? make("p", { class: "quiet" }, `Stored: ${stored.status}, ${bytes(stored.bytes)}, age ${count(stored.age)} s of ${count(stored.lifetime)} s${stored.tier ? `, in ${TIER_LABELS[stored.tier] ?? stored.tier}` : ""}${stored.tags.length ? `; tags ${stored.tags.join(", ")}` : ""}.`)
      : make("p", { class: "quiet" }, "No response is stored in this location."),
    assumed.length ? make("p", { class: "quiet" }, "For a request with the fields of a current browser.") : "",
  ];
}

/** @param {() => void} reload */
function purgeAndWarm(reload) {
  const status = make("p", { role: "status", class: "quiet", "data-said": "" });
  const kind = make("select", { id: "purge-kind", onchange: () => ((what.input.placeholder = PURGE_KINDS[kind.value][1]), (what.row.hidden = kind.value === "all"), (what.input.required = kind.value !== "all")) },
    Object.entries(PURGE_KINDS).map(([name, [word]]) => make("option", { value: name }, word)),
  );
  const what = field("purge-what", "Value", { placeholder: PURGE_KINDS.tag[1] });
  const soft = make("input", { id: "purge-soft", type: "checkbox" });
  const purge = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const all = kind.value === "all";
    const name = all ? "everything" : `${noun(kind.value)} ${what.input.value}`;
    const words = soft.checked ? "become stale and are revalidated on the next request." : "are removed in every location. The next request for each waits for the origin.";
    if (!(await confirmed(`Purge ${name}?`, "Purge", make("p", null, make("b", null, all ? "All stored responses" : `Responses stored under the ${name}`), ` ${words}`), make("p", { class: "quiet" }, "The call is recorded.")))) return;
    await doing("/api/cache/purge", new URLSearchParams(), { [kind.value]: all ? true : what.input.value, soft: soft.checked }, () => `Purged: ${name}.`);
  };
  const list = make("textarea", { id: "warm-list", rows: 4, required: true, placeholder: "https://www.example.com/\nhttps://www.example.com/users/7" });
  const strategy = make("select", { id: "warm-strategy", onchange: () => ((named.hidden = strategy.value !== "listed"), (list.required = strategy.value === "listed")) },
    Object.entries(WARM_STRATEGIES).map(([name, [word]]) => make("option", { value: name }, word)),
  );
  const named = make("p", { class: "field" }, make("label", { for: "warm-list" }, "URLs, or a sitemap"), list);
  const warm = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!(await confirmed("Warm the cache?", "Warm", make("p", null, WARM_STRATEGIES[strategy.value][1]), make("p", { class: "quiet" }, "At most 100 requests are sent to the origin, four at a time. The call is recorded.")))) return;
    await doing("/api/cache/warm", new URLSearchParams({ strategy: strategy.value }), strategy.value === "listed" ? list.value : "", (/** @type {Record<string, number>} */ sums) => `Warmed ${count(sums.warmed)}; ${count(sums.fresh)} already fresh, ${count(sums.failed)} failed, ${count(sums.foreign)} on no route.`);
  };
  const doing = async (/** @type {string} */ path, /** @type {URLSearchParams} */ query, /** @type {unknown} */ body, /** @type {(answer: any) => string} */ words) => {
    try {
      status.textContent = words(await post(path, query, body, "cache"));
      status.classList.remove("wrong");
      refresh.hidden = false;
    } catch (error) {
      if (error instanceof ApiError && error.status === 401 && (await requestToken("cache", "Invalid token."))) return doing(path, query, body, words);
      status.textContent = error instanceof Error ? error.message : String(error);
      status.classList.add("wrong");
    }
  };
  const refresh = make("button", { type: "button", hidden: true, onclick: reload }, "Show the call log");
  return make("section", { class: "breakdown padded", "aria-labelledby": "changes" },
    make("h2", { id: "changes" }, "Purge and warm"),
    make("form", { class: "inline", onsubmit: purge },
      make("p", { class: "field" }, make("label", { for: "purge-kind" }, "Purge by"), kind),
      what.row,
      make("p", { class: "tick" }, soft, make("label", { for: "purge-soft" }, "Soft purge: mark as stale instead of removing")),
      make("button", { type: "submit", class: "primary" }, "Purge …"),
    ),
    make("form", { class: "inline", onsubmit: warm },
      make("p", { class: "field" }, make("label", { for: "warm-strategy" }, "Warm"), strategy),
      named,
      make("button", { type: "submit" }, "Warm …"),
    ),
    status,
    refresh,
  );
}

/** The target of a purge in words. @param {string} what */
function purgeTarget(what) {
  try {
    const { soft, ...which } = JSON.parse(what);
    const [[kind, name]] = Object.entries(which).filter(([, value]) => value);
    return `${kind === "all" ? "everything" : `${noun(kind)} ${name}`}${soft ? " (soft)" : ""}`;
  } catch {
    return what;
  }
}

/** @param {CacheCall[]} calls */
function callLog(calls) {
  const changed = calls.filter(({ action }) => action in ACTION_LABELS);
  const rows = changed.map(({ at, action, what, outcome }) =>
    make("tr", { "data-call": action },
      make("td", { title: dateTime(at) }, ago(at)),
      make("th", { scope: "row" }, ACTION_LABELS[action] ?? action),
      make("td", { class: "words wide" }, (action === "purge" ? purgeTarget(what) : what) || "–"),
      cell(make("span", { class: `verdict ${/^[2{]/.test(outcome) ? "met" : "violated"}`, title: outcome }, /^[2{]/.test(outcome) ? "Done" : `Rejected, ${outcome}`)),
    ),
  );
  return make("section", { "aria-labelledby": "record" },
    make("h2", { id: "record" }, "Call log ", make("small", { class: "quiet" }, "all sites")),
    rows.length ? table("Purge and warm calls", [{ name: "Time" }, { name: "Action" }, { name: "Target" }, { name: "Result" }], rows) : make("p", { class: "quiet" }, "No purge or warm calls."),
    calls.length > changed.length && make("p", { class: "quiet" }, `Not shown: ${plural(calls.length - changed.length, "read-only call")} among the last ${count(calls.length)}.`),
  );
}

/** The cache has its own token, so that readers of the data cannot purge. @param {() => void} reload @param {string} before an error */
function tokenForm(reload, before) {
  const { input, row } = field("token", "Cache token", { type: "password", autocomplete: "off" });
  const enter = (/** @type {Event} */ event) => {
    event.preventDefault();
    storeToken("cache", input.value.trim());
    reload();
  };
  return pageMessage("Sign in with the cache token",
    make("p", null, before, "The cache view shows the requested URLs, and can purge them. The token is kept in this tab only."),
    make("form", { class: "door", onsubmit: enter }, row, make("button", { type: "submit", class: "primary" }, "Sign in")),
    make("p", { class: "quiet" }, "Set the token with ", make("code", null, "npx wrangler secret put CACHE_TOKEN"), "."),
  );
}

/** @type {Record<string, [string, string]>} */
const PURGE_KINDS = {
  tag: ["Tag", "user:7"],
  url: ["URL", "https://www.example.com/users/7"],
  prefix: ["Prefix", "https://www.example.com/blog/"],
  all: ["Everything", ""],
};
/** The kind of a purge within a sentence. @param {string} kind */
const noun = (kind) => (kind === "url" ? "URL" : kind);
/** @type {Record<string, [string, string]>} */
const WARM_STRATEGIES = {
  listed: ["Listed URLs", "Fetches the listed URLs from the origin unless they are fresh."],
  popular: ["Popular URLs", "Refreshes URLs that this isolate serves often and that are about to become stale."],
  predicted: ["Likely next pages", "Fetches the pages that visitors are likely to open next, unless they are stored."],
};
/** @type {Record<string, string>} */
const TIER_LABELS = { memory: "memory", colo: "the Cache API", kv: "KV", "stale-if-error": "stale-if-error" };
/** @type {Record<string, string>} */
const REASON_LABELS = { stored: "first request, now stored", "no-store": "not cacheable", "uri-miss": "not stored", "vary-miss": "no variant for this request", "origin-failed": "origin failed" };
/** @type {Record<string, string>} */
const ACTION_LABELS = { purge: "Purge", warm: "Warm", cron: "Scheduled warming" };
/** @type {Record<string, string>} */
const STEP_LABELS = { serve: "Served from the cache", fetch: "Fetched from the origin", refuse: "Rejected" };
