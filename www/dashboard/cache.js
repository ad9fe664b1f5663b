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
 * @typedef {{ site: string, route: string, outcome: string, detail: string, requests: number, bytes: number, origin: number }} Counted
 * @typedef {{ at: number, action: string, what: string, outcome: string }} Call
 * @typedef {{ purges: number, marks: number, calls: Call[], counts: Counted[] }} Analytics
 * @typedef {{ url: string, route: string | null, origin: string | null, key: string, does: string, because: string[],
 *   stored: { status: number, age: number, lifetime: number, tags: string[], bytes: number, tier: string } | null }} Explained
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
  const counts = analytics.counts.filter((each) => !site || each.site === site);
  const routes = [...grouped(counts, ({ route }) => route)].sort(([, one], [, other]) => other.requests - one.requests);
  const all = grouped(counts, () => "all").get("all");
  return {
    title: "Cache",
    whole: { site: site ?? counts[0]?.site ?? "", views: 1 },
    content: /** @type {Node[]} */ ([
      make("h1", null, "Cache"),
      all ? summary(all, analytics) : instead("Nothing was asked of the cache", make("p", null, "In the last day no request reached a route of ", make("code", null, "EDGE"), ". docs/cache.md shows how one is configured.")),
      all && make("div", { class: "breakdowns" }, tiers(counts), misses(counts)),
      all && byRoute(routes),
      make("div", { class: "breakdowns" }, explain(), changes(again)),
      record(analytics.calls),
    ].filter(Boolean)),
    seen: {
      name: "cache",
      columns: ["route", "requests", "hits", "stale", "misses", "bypassed", "hit_ratio", "bytes", "origin_ms"],
      rows: routes.map(([route, sums]) => [route, sums.requests, sums.hit, sums.stale, sums.miss, sums.bypass, ratio(sums), sums.bytes, sums.origin]),
      document: { ...analytics, counts },
    },
  };
}

/** When something was purged, for the marks of a history. @returns {Promise<import("./chart.js").Mark[]>} */
export async function purges() {
  if (!holds("cache")) return [];
  try {
    /** @type {Analytics} */
    const { calls } = await told("/api/cache/analytics", new URLSearchParams(), "cache");
    return calls.filter(({ action, outcome }) => action === "purge" && outcome === "200").map(({ at, what }) => ({ at, name: what, kind: /** @type {const} */ ("purge") }));
  } catch (error) {
    // A history without marks is better than none.
    if (error instanceof Refused) return [];
    throw error;
  }
}

/** @typedef {{ requests: number, bytes: number, origin: number, hit: number, stale: number, miss: number, bypass: number }} Sums */

/** @param {Counted[]} counts @param {(each: Counted) => string} by @returns {Map<string, Sums>} */
function grouped(counts, by) {
  const groups = new Map();
  for (const each of counts) {
    const name = by(each);
    const sums = groups.get(name) ?? { requests: 0, bytes: 0, origin: 0, hit: 0, stale: 0, miss: 0, bypass: 0 };
    sums.requests += each.requests;
    sums.bytes += each.bytes;
    sums.origin += each.origin;
    sums[each.outcome] = (sums[each.outcome] ?? 0) + each.requests;
    groups.set(name, sums);
  }
  return groups;
}

/** Of what the cache was asked for, what it answered. @param {Sums} sums */
function ratio({ hit, stale, miss }) {
  const askedFor = hit + stale + miss;
  return askedFor ? (hit + stale) / askedFor : null;
}

/** @param {Sums} all @param {Analytics} analytics */
function summary(all, { purges, marks }) {
  const fact = (/** @type {string} */ name, /** @type {string} */ text, /** @type {string} */ more) =>
    make("div", { "data-fact": name }, make("dt", null, name), make("dd", null, make("b", null, text), make("small", null, more)));
  const share = ratio(all);
  return make("dl", { class: "facts panel" },
    fact("Hits", share === null ? "–" : percent(share), `${count(all.hit + all.stale)} of ${count(all.hit + all.stale + all.miss)}`),
    fact("Requests", count(all.requests), all.bypass ? `${count(all.bypass)} went past it` : "in the last day"),
    fact("Sent", bytes(all.bytes), "in the last day"),
    fact("The origin worked", lasting(all.origin / 1000), `${count(all.miss)} misses`),
    fact("Purges", count(purges), `${plural(marks, "mark")} kept`),
  );
}

/** @param {Counted[]} counts */
function tiers(counts) {
  const hits = counts.filter(({ outcome }) => outcome === "hit" || outcome === "stale");
  return breakdown("Hits by tier", "Tier", grouped(hits, ({ detail }) => TIERS[detail] ?? detail));
}

/** @param {Counted[]} counts */
function misses(counts) {
  const rest = counts.filter(({ outcome }) => outcome === "miss" || outcome === "bypass");
  return breakdown("Misses by reason", "Reason", grouped(rest, ({ detail, outcome }) => `${REASONS[detail] ?? detail}${outcome === "bypass" ? " (past the cache)" : ""}`));
}

/** @param {string} title @param {string} noun @param {Map<string, Sums>} groups */
function breakdown(title, noun, groups) {
  const total = [...groups.values()].reduce((sum, { requests }) => sum + requests, 0);
  const rows = [...groups].sort(([, one], [, other]) => other.requests - one.requests);
  if (rows.length === 0) return make("div", { class: "breakdown" }, make("h2", null, title), make("p", { class: "quiet" }, "None in the last day."));
  return make("div", { class: "breakdown", "data-of": noun },
    make("h2", null, title),
    table(title, [{ name: noun }, { name: "Requests", number: true }, { name: "Share", number: true }],
      rows.map(([name, { requests }]) => make("tr", { "data-group": name }, make("th", { scope: "row" }, name), number(count(requests)), number(percent(requests / total)))),
    ),
  );
}

/** @param {[string, Sums][]} routes */
function byRoute(routes) {
  const rows = routes.slice(0, 100).map(([route, sums]) => {
    const share = ratio(sums);
    const bar = make("i");
    bar.style.width = `${(share ?? 0) * 100}%`;
    return make("tr", { "data-route": route },
      make("th", { scope: "row" }, route),
      make("td", { class: "lost" }, make("span", { class: "bar", "aria-hidden": "true" }, bar), make("span", { "data-ratio": "" }, share === null ? "–" : percent(share))),
      number(count(sums.requests)),
      number(count(sums.hit)),
      number(count(sums.stale)),
      number(count(sums.miss)),
      number(count(sums.bypass)),
      number(bytes(sums.bytes)),
      number(sums.miss ? `${count(sums.origin / sums.miss)} ms` : "–"),
    );
  });
  return make("section", { "aria-labelledby": "by-route" },
    make("h2", { id: "by-route" }, "By route ", make("small", { class: "quiet" }, "in the last day")),
    table("The cache by route", [{ name: "Route" }, { name: "Hit ratio" }, { name: "Requests", number: true }, { name: "Hits", number: true }, { name: "Stale", number: true }, { name: "Misses", number: true }, { name: "Past it", number: true }, { name: "Sent", number: true }, { name: "Origin, each miss", number: true }], rows),
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
  const warm = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const lines = list.value.split("\n").filter((line) => line.trim()).length;
    if (!(await asked("Warm the cache?", "Warm", make("p", null, `${plural(lines, "address")} ${lines === 1 ? "is" : "are"} fetched from the origin, four at a time, where ${lines === 1 ? "it is" : "they are"} not fresh.`.replace("addresss", "addresses")), make("p", { class: "quiet" }, "The call is recorded.")))) return;
    await doing("/api/cache/warm", new URLSearchParams({ strategy: "listed" }), list.value, (/** @type {Record<string, number>} */ sums) => `Warmed ${count(sums.warmed)}; ${count(sums.fresh)} were fresh, ${count(sums.failed)} failed, ${count(sums.foreign)} are of no route.`);
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
      make("p", { class: "field" }, make("label", { for: "warm-list" }, "Warm these addresses, or a sitemap’s"), list),
      make("button", { type: "submit" }, "Warm …"),
    ),
    said,
    refresh,
  );
}

/** @param {Call[]} calls */
function record(calls) {
  const changed = calls.filter(({ action }) => action === "purge" || action === "warm");
  const rows = changed.map(({ at, action, what, outcome }) =>
    make("tr", { "data-call": action },
      make("td", { title: moment(at) }, since(at)),
      make("th", { scope: "row" }, CALLS[action] ?? action),
      make("td", { class: "words wide" }, what || "–"),
      cell(make("span", { class: `verdict ${outcome.startsWith("2") ? "met" : "violated"}` }, outcome.startsWith("2") ? "Done" : `Refused, ${outcome}`)),
    ),
  );
  return make("section", { "aria-labelledby": "record" },
    make("h2", { id: "record" }, "Record of calls"),
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
/** @type {Record<string, string>} */
const TIERS = { memory: "memory", cache: "the Cache API", colo: "the Cache API", kv: "KV", collapsed: "a request under way" };
/** @type {Record<string, string>} */
const REASONS = { stored: "not there yet; stored now", "no-store": "not to be stored", "uri-miss": "not there", "vary-miss": "there for other fields", "origin-failed": "the origin failed" };
/** @type {Record<string, string>} */
const CALLS = { purge: "Purge", warm: "Warm", analytics: "Read the numbers", explain: "Explain" };
/** @type {Record<string, string>} */
const STEPS = { serve: "It is served from what is stored", fetch: "It is fetched from the origin", refuse: "It is refused" };
