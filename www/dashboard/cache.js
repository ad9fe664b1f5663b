// The cache: how much of what is asked for it answers, from where, and why not the rest; what would be done
// for an address, rule by rule; and purging and warming, of which each call is recorded.
import { question } from "./address.js";
import { Refused, done, holds, keep, told } from "./ask.js";
import { asked, field, unlocked } from "./dialog.js";
import { make } from "./dom.js";
import { alone, cell, instead, number, table } from "./marks.js";
import { bytes, count, lasting, moment, percent, plural, since } from "./words.js";

/**
 * @typedef {import("./address.js").State} State
 * @typedef {import("./documents.js").RouteCacheStats} OfRoute
 * @typedef {import("./documents.js").ReasonCount} Reason
 * @typedef {import("./documents.js").RangeCount} Size
 * @typedef {import("./documents.js").AdminCallRecord} Call
 * @typedef {import("./documents.js").CacheAnalytics} Analytics
 * @typedef {import("./documents.js").CacheExplanation} Explained
 */

/** @param {State} state @param {() => void} again @returns {Promise<import("./overview.js").Shown>} */
export async function cache(state, again) {
  const nothing = { title: "Cache", whole: { site: state.site ?? "", views: 1 }, seen: { name: "cache", columns: [], rows: [], document: null } };
  if (!holds("cache")) return { ...nothing, content: [door(again, "")] };
  /** @type {Analytics} */
  let analytics;
  try {
    analytics = await told("/api/cache/analytics", new URLSearchParams(), "cache");
  } catch (error) {
    if (!(error instanceof Refused && error.status === 401)) throw error;
    keep("cache", null);
    return { ...nothing, content: [door(again, "The token was not accepted. ")] };
  }
  const site = question(state).get("site");
  const routes = analytics.routes.filter((each) => !site || each.site === site);
  const { tiers, classes, misses, bypassed, ages, keys, calls } = analytics;
  const isUsed = routes.some(({ requests }) => requests > 0);
  return {
    title: "Cache",
    whole: { site: site ?? routes[0]?.site ?? "", views: 1 },
    content: /** @type {Node[]} */ ([
      make("h1", null, "Cache"),
      isUsed ? summary(routes, analytics) : instead("Nothing was asked of the cache", make("p", null, "In the last day no request reached a route of ", make("code", null, "EDGE"), ". docs/cache.md shows how one is configured.")),
      isUsed && byRoute(routes),
      isUsed && make("section", { "aria-labelledby": "why" },
        make("h2", { id: "why" }, "Why ", make("small", { class: "quiet" }, "in the last day, of all sites")),
        make("div", { class: "breakdowns" },
          breakdown("Hits by tier", "Tier", tiers.map(({ tier, requests }) => [TIERS[tier] ?? tier, requests])),
          breakdown("Misses by reason", "Reason", misses.map(({ reason, requests }) => [REASONS[reason] ?? reason, requests])),
          breakdown("Past the cache by reason", "Reason", bypassed.map(({ reason, requests }) => [REASONS[reason] ?? reason, requests])),
          breakdown("Hits by age", "Age", ages.map(({ from, below, n }) => [`${count(from)} – ${count(below)} s`, n]), false),
          breakdown("Answers by class of lifetime", "Class", classes.map((each) => [each.class.replace("_", " "), each.hits + each.stale + each.misses])),
          breakdown("Asked for most", "Address", keys.slice(0, 10).map(({ key, requests }) => [key, requests])),
        ),
      ),
      make("div", { class: "breakdowns" }, explain(), changes(again)),
      record(calls),
    ].filter(Boolean)),
    seen: {
      name: "cache",
      columns: ["site", "route", "requests", "hits", "stale", "misses", "bypassed", "hit_ratio", "bytes", "origin_p50", "saved_ms"],
      rows: routes.map((each) => [each.site, each.route, each.requests, each.hits, each.stale, each.misses, each.bypassed, each.hit_ratio, each.bytes, each.origin_p50, each.saved_ms]),
      document: { ...analytics, routes },
    },
  };
}

/** When something was purged, for the marks of a history. @returns {Promise<import("./chart.js").Mark[]>} */
export async function purges() {
  if (!holds("cache")) return [];
  try {
    /** @type {Analytics} */
    const { calls } = await told("/api/cache/analytics", new URLSearchParams(), "cache");
    return calls.filter(({ action, outcome }) => action === "purge" && outcome === "200").map(({ at, what }) => ({ at, name: purged(what), kind: /** @type {const} */ ("purge") }));
  } catch (error) {
    // A history without marks is better than none.
    if (error instanceof Refused) return [];
    throw error;
  }
}

/** @param {OfRoute[]} routes @param {Analytics} analytics */
function summary(routes, { purges }) {
  const sum = (/** @type {(each: OfRoute) => number} */ of) => routes.reduce((total, each) => total + of(each), 0);
  const answered = sum(({ hits, stale }) => hits + stale);
  const own = answered + sum(({ misses }) => misses);
  const past = sum(({ bypassed }) => bypassed);
  const slowest = purges.lag_ms.filter(({ n }) => n > 0).map(({ below }) => below).at(-1);
  const fact = (/** @type {string} */ name, /** @type {string} */ text, /** @type {string} */ more) =>
    make("div", { "data-fact": name }, make("dt", null, name), make("dd", null, make("b", null, text), make("small", null, more)));
  return make("dl", { class: "facts panel" },
    fact("Hits", own ? percent(answered / own) : "–", `${count(answered)} of ${count(own)}`),
    fact("Requests", count(sum(({ requests }) => requests)), past ? `${count(past)} went past it` : "in the last day"),
    fact("Sent", bytes(sum((each) => each.bytes)), "in the last day"),
    fact("Saved", lasting(sum(({ saved_ms }) => saved_ms ?? 0) / 1000), "of the origin’s time"),
    fact("Purges", count(purges.count), `of all sites; ${slowest === undefined ? `${plural(purges.marks, "mark")} kept` : `known within ${count(slowest)} ms`}`),
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
      rows.filter(([, requests]) => requests > 0).map(([name, requests]) => make("tr", { "data-group": name }, make("th", { scope: "row" }, name), number(count(requests)), number(percent(requests / total)))),
    ),
  );
}

/** @param {OfRoute[]} routes */
function byRoute(routes) {
  const rows = routes.slice(0, 100).map((each) => {
    const bar = make("i");
    bar.style.width = `${(each.hit_ratio ?? 0) * 100}%`;
    return make("tr", { "data-route": each.route },
      make("th", { scope: "row" }, each.route),
      make("td", { class: "lost" }, make("span", { class: "bar", "aria-hidden": "true" }, bar), make("span", { "data-ratio": "" }, each.hit_ratio === null ? "–" : percent(each.hit_ratio))),
      number(count(each.requests)),
      number(count(each.hits)),
      number(count(each.stale)),
      number(count(each.misses)),
      number(count(each.bypassed)),
      number(bytes(each.bytes)),
      number(each.origin_p50 === null ? "–" : `${count(each.origin_p50)} ms`),
      number(each.saved_ms === null ? "–" : lasting(each.saved_ms / 1000)),
    );
  });
  return make("section", { "aria-labelledby": "by-route" },
    make("h2", { id: "by-route" }, "By route ", make("small", { class: "quiet" }, "in the last day")),
    table("The cache by route", [{ name: "Route" }, { name: "Hit ratio" }, { name: "Requests", number: true }, { name: "Hits", number: true }, { name: "Stale", number: true }, { name: "Misses", number: true }, { name: "Past it", number: true }, { name: "Sent", number: true }, { name: "Origin, median", number: true }, { name: "Saved", number: true }], rows),
  );
}

/** What would be done for an address. */
function explain() {
  const place = make("div", { role: "status", "data-explained": "" });
  const { input, row } = field("explain-url", "Address", { type: "url", placeholder: "https://www.example.com/users/7" });
  const ask = async (/** @type {Event} */ event) => {
    event.preventDefault();
    place.replaceChildren(make("p", { class: "quiet" }, "Reading…"));
    try {
      place.replaceChildren(...answer(await told("/api/cache/explain", new URLSearchParams({ url: input.value }), "cache")));
    } catch (error) {
      place.replaceChildren(make("p", { class: "wrong" }, error instanceof Error ? error.message : String(error)));
    }
  };
  return make("section", { class: "breakdown padded", "aria-labelledby": "explain" }, make("h2", { id: "explain" }, "Explain an address"), make("form", { class: "inline", onsubmit: ask }, row, make("button", { type: "submit", class: "primary" }, "Explain")), place);
}

/** @param {Explained} explained */
function answer({ route, does, because, stored }) {
  return [
    make("p", null, make("b", null, STEPS[does] ?? does), route ? [", by the route ", make("code", null, route)] : ""),
    make("ol", { class: "because" }, because.map((ground) => make("li", null, ground))),
    stored
      ? make("p", { class: "quiet" }, `Stored: ${stored.status}, ${bytes(stored.bytes)}, ${count(stored.age)} s old of ${count(stored.lifetime)} s${stored.tier ? `, in ${TIERS[stored.tier] ?? stored.tier}` : ""}${stored.tags.length ? `; tags ${stored.tags.join(", ")}` : ""}.`)
      : make("p", { class: "quiet" }, "Nothing is stored for it here."),
  ];
}

/** Purging and warming. @param {() => void} again */
function changes(again) {
  const said = make("p", { role: "status", class: "quiet", "data-said": "" });
  const kind = make("select", { id: "purge-kind", onchange: () => ((what.input.placeholder = KINDS[kind.value][1]), (what.row.hidden = kind.value === "all"), (what.input.required = kind.value !== "all")) },
    Object.entries(KINDS).map(([name, [word]]) => make("option", { value: name }, word)),
  );
  const what = field("purge-what", "Which", { placeholder: KINDS.tag[1] });
  const soft = make("input", { id: "purge-soft", type: "checkbox" });
  const purge = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const all = kind.value === "all";
    const name = all ? "everything" : `${KINDS[kind.value][0].toLowerCase()} ${what.input.value}`;
    const words = soft.checked ? "is stale from now on, and asked for anew." : "is gone from every place. Who asks for it waits for the origin.";
    if (!(await asked(`Purge ${name}?`, "Purge", make("p", null, make("b", null, all ? "Everything that is stored" : `What is stored under the ${name}`), ` ${words}`), make("p", { class: "quiet" }, "The call is recorded.")))) return;
    await doing("/api/cache/purge", new URLSearchParams(), { [kind.value]: all ? true : what.input.value, soft: soft.checked }, () => `Purged: ${name}.`);
  };
  const list = make("textarea", { id: "warm-list", rows: 4, required: true, placeholder: "https://www.example.com/\nhttps://www.example.com/users/7" });
  const strategy = make("select", { id: "warm-strategy", onchange: () => ((named.hidden = strategy.value !== "listed"), (list.required = strategy.value === "listed")) },
    Object.entries(STRATEGIES).map(([name, [word]]) => make("option", { value: name }, word)),
  );
  const named = make("p", { class: "field" }, make("label", { for: "warm-list" }, "Addresses, or a sitemap"), list);
  const warm = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!(await asked("Warm the cache?", "Warm", make("p", null, STRATEGIES[strategy.value][1]), make("p", { class: "quiet" }, "At most a hundred are asked of the origin, four at a time. The call is recorded.")))) return;
    await doing("/api/cache/warm", new URLSearchParams({ strategy: strategy.value }), strategy.value === "listed" ? list.value : "", (/** @type {Record<string, number>} */ sums) => `Warmed ${count(sums.warmed)}; ${count(sums.fresh)} were fresh, ${count(sums.failed)} failed, ${count(sums.foreign)} are of no route.`);
  };
  const doing = async (/** @type {string} */ path, /** @type {URLSearchParams} */ query, /** @type {unknown} */ body, /** @type {(answer: any) => string} */ words) => {
    try {
      said.textContent = words(await done(path, query, body, "cache"));
      said.classList.remove("wrong");
      refresh.hidden = false;
    } catch (error) {
      if (error instanceof Refused && error.status === 401 && (await unlocked("cache", "The token was not accepted."))) return doing(path, query, body, words);
      said.textContent = error instanceof Error ? error.message : String(error);
      said.classList.add("wrong");
    }
  };
  const refresh = make("button", { type: "button", hidden: true, onclick: again }, "Show the record");
  return make("section", { class: "breakdown padded", "aria-labelledby": "changes" },
    make("h2", { id: "changes" }, "Purge and warm"),
    make("form", { class: "inline", onsubmit: purge },
      make("p", { class: "field" }, make("label", { for: "purge-kind" }, "By"), kind),
      what.row,
      make("p", { class: "tick" }, soft, make("label", { for: "purge-soft" }, "Softly: stale instead of gone")),
      make("button", { type: "submit", class: "primary" }, "Purge …"),
    ),
    make("form", { class: "inline", onsubmit: warm },
      make("p", { class: "field" }, make("label", { for: "warm-strategy" }, "Warm"), strategy),
      named,
      make("button", { type: "submit" }, "Warm …"),
    ),
    said,
    refresh,
  );
}

/** What a purge was asked for with, in words. @param {string} what */
function purged(what) {
  try {
    const { soft, ...which } = JSON.parse(what);
    const [[kind, name]] = Object.entries(which).filter(([, value]) => value);
    return `${kind === "all" ? "everything" : `${KINDS[kind][0].toLowerCase()} ${name}`}${soft ? ", softly" : ""}`;
  } catch {
    return what;
  }
}

/** @param {Call[]} calls */
function record(calls) {
  const changed = calls.filter(({ action }) => action in CALLS);
  const rows = changed.map(({ at, action, what, outcome }) =>
    make("tr", { "data-call": action },
      make("td", { title: moment(at) }, since(at)),
      make("th", { scope: "row" }, CALLS[action] ?? action),
      make("td", { class: "words wide" }, (action === "purge" ? purged(what) : what) || "–"),
      cell(make("span", { class: `verdict ${/^[2{]/.test(outcome) ? "met" : "violated"}`, title: outcome }, /^[2{]/.test(outcome) ? "Done" : `Refused, ${outcome}`)),
    ),
  );
  return make("section", { "aria-labelledby": "record" },
    make("h2", { id: "record" }, "Record of calls ", make("small", { class: "quiet" }, "of all sites")),
    rows.length ? table("Calls that were made", [{ name: "When" }, { name: "What was done" }, { name: "Of what" }, { name: "Came to" }], rows) : make("p", { class: "quiet" }, "Nothing was purged or warmed."),
    calls.length > changed.length && make("p", { class: "quiet" }, `Beside them ${plural(calls.length - changed.length, "call")} that only read, of the last ${count(calls.length)}.`),
  );
}

/** The cache has a token of its own: whoever reads numbers need not be able to purge. @param {() => void} again @param {string} before */
function door(again, before) {
  const { input, row } = field("token", "Cache token", { type: "password", autocomplete: "off" });
  const enter = (/** @type {Event} */ event) => {
    event.preventDefault();
    keep("cache", input.value.trim());
    again();
  };
  return alone("The cache opens with its own token",
    make("p", null, before, "It shows what is asked for, and purges. The token is kept in this tab alone."),
    make("form", { class: "door", onsubmit: enter }, row, make("button", { type: "submit", class: "primary" }, "Open")),
    make("p", { class: "quiet" }, "It is set with ", make("code", null, "npx wrangler secret put CACHE_TOKEN"), "."),
  );
}

/** @type {Record<string, [string, string]>} */
const KINDS = {
  tag: ["Tag", "user:7"],
  url: ["Address", "https://www.example.com/users/7"],
  prefix: ["Prefix", "https://www.example.com/blog/"],
  all: ["Everything", ""],
};
/** @type {Record<string, [string, string]>} */
const STRATEGIES = {
  listed: ["What is listed", "What is listed is fetched from the origin, where it is not fresh."],
  popular: ["What is asked for often", "What this isolate is asked for often and is soon stale is fetched anew."],
  predicted: ["What is likely next", "The pages that visitors are likely to ask for next are fetched, where they are not stored."],
};
/** @type {Record<string, string>} */
const TIERS = { memory: "memory", colo: "the Cache API", kv: "KV", "stale-if-error": "stale, for an error" };
/** @type {Record<string, string>} */
const REASONS = { stored: "not there yet; stored now", "no-store": "not to be stored", "uri-miss": "not there", "vary-miss": "there for other fields", "origin-failed": "the origin failed" };
/** @type {Record<string, string>} */
const CALLS = { purge: "Purge", warm: "Warm", cron: "Warmed by the clock" };
/** @type {Record<string, string>} */
const STEPS = { serve: "It is served from what is stored", fetch: "It is fetched from the origin", refuse: "It is refused" };
