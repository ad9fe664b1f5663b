// Every budget of every route and device: the counts, what they prove, and what it would take to decide.
import { link, question } from "./address.js";
import { json } from "./ask.js";
import { make } from "./dom.js";
import { cell, instead, number, table, verdictMark } from "./marks.js";
import { rank } from "./overview.js";
import { toolkit } from "./toolkit.js";
import { VERDICTS, count, interval, moment, percent, plural, since, value } from "./words.js";

/**
 * @typedef {import("./address.js").State} State
 * @typedef {import("./ask.js").Cell} Cell
 * @typedef {import("./toolkit.js").Toolkit} Toolkit
 */

/** @param {State} state @returns {Promise<import("./overview.js").Shown>} */
export async function budgets(state) {
  const [standing, tools] = await Promise.all([/** @type {Promise<import("./ask.js").Standing>} */ (json("/api/budgets", question(state))), toolkit()]);
  const cells = [...standing.cells].sort((one, other) => rank(one.verdict) - rank(other.verdict) || other.n - other.k - (one.n - one.k));
  const kinds = Object.keys(VERDICTS).filter((name) => name !== "none");
  const shown = state.verdict ? cells.filter(({ verdict }) => verdict === state.verdict) : cells;
  const { since: from, refused, source } = standing.budgets;
  return {
    title: "Budgets",
    whole: standing,
    content: [
      make("h1", null, "Budgets"),
      make("p", { class: "lead" }, `Since ${moment(from)} views are judged by this budgets.json${source === "kv" ? ", put into KV" : ""}. A verdict rests on counts: too few views prove nothing, and silence is never green.`),
      refused && make("p", { class: "warning", role: "alert" }, make("b", null, "A newer budgets.json does not rule. "), refused.why),
      make("nav", { class: "chips", "aria-label": "Verdict" },
        make("a", { href: link(state, { verdict: null }), "aria-current": state.verdict ? null : "true" }, `All ${count(cells.length)}`),
        kinds.map((name) => {
          const n = cells.filter(({ verdict }) => verdict === name).length;
          return make("a", { href: link(state, { verdict: name }), "aria-current": state.verdict === name ? "true" : null, "data-verdict": name }, verdictMark(name), ` ${count(n)}`);
        }),
      ),
      shown.length ? make("section", null, budgetTable(state, shown, tools)) : instead("None", make("p", null, "No budget has this verdict.")),
    ].filter((node) => node !== undefined),
    seen: {
      name: "budgets",
      columns: ["line", "pattern", "route", "device", "metric", "unit", "max", "percentile", "severity", "n", "k", "value", "low", "high", "verdict", "p_value"],
      rows: shown.map((each) => [each.line, each.pattern, each.route, each.device, each.metric, each.unit, each.max, each.percentile, each.severity, each.n, each.k, each.value, each.interval?.[0] ?? null, each.interval?.[1] ?? null, each.verdict, each.p_value]),
      document: { ...standing, cells: shown },
    },
  };
}

/** @param {State} state @param {Cell[]} cells @param {Toolkit} tools */
export function budgetTable(state, cells, tools) {
  const columns = [
    { name: "Verdict" },
    { name: "Route" },
    { name: "Device" },
    { name: "Vital" },
    { name: "Budget", number: true },
    { name: "Value", number: true },
    { name: "Within", number: true },
    { name: "What it would take" },
    { name: "Line", number: true, title: "The line of budgets.json" },
  ];
  const holder = make("div", null);
  const list = (/** @type {number} */ most) => {
    const more = cells.length > most && make("button", { type: "button", onclick: () => list(Infinity) }, `Show all ${count(cells.length)}`);
    holder.replaceChildren(table("Budgets with their counts", columns, cells.slice(0, most).map((each) => row(state, each, tools))), make("p", { class: "more" }, more || ""));
  };
  list(200);
  return holder;
}

/** @param {State} state @param {Cell} each @param {Toolkit} tools */
function row(state, each, tools) {
  const name = each.route === null ? make("span", null, `All of ${each.pattern}`) : make("a", { href: link(state, { view: "route", route: each.route, metric: each.metric }) }, each.route);
  return make("tr", { "data-verdict": each.verdict, "data-cell": `${each.route ?? "*"} ${each.device ?? "*"} ${each.metric}` },
    cell([verdictMark(each.verdict), each.watch?.alarm ? make("small", { class: "alarm", title: `Raised ${moment(each.watch.changed_at)}` }, `alarm, ${since(each.watch.changed_at)}`) : null]),
    make("th", { scope: "row" }, name),
    cell(each.device ?? "any"),
    cell([each.metric, each.severity === "warn" ? make("small", { class: "quiet" }, "warns only") : null]),
    number([`≤ ${value(each.max, each.unit)}`, make("small", { class: "quiet" }, `p${each.percentile}`)]),
    number([value(each.value, each.unit), make("small", { class: "quiet" }, each.n ? interval(each.interval, each.unit) : "")]),
    number(each.n ? [`${count(each.k)} of ${count(each.n)}`, make("small", { class: "quiet" }, percent(each.k / each.n))] : "–"),
    make("td", { class: "words" }, takes(each, tools), each.burn?.asks ? make("small", { class: "alarm" }, each.burn.asks === "page" ? "burns fast: look now" : "burns: look soon") : null),
    number(String(each.line)),
  );
}

/** What it would take to decide. @param {Cell} each @param {Toolkit} tools */
function takes({ n, k, percentile, min_samples, verdict }, tools) {
  if (verdict === "unknown") return `${plural(min_samples, "view")} for a first look`;
  if (verdict === "insufficient") {
    const { more, verdict: then } = tools.ahead(n, k, percentile, min_samples);
    const proves = { met: "would prove it kept", violated: "would prove it broken", "at-limit": "would show it at its limit" }[then] ?? "would tell";
    return `about ${plural(more, "more view")} like these ${proves}`;
  }
  if (verdict === "met") return "decided";
  const missing = Math.ceil((n * percentile) / 100) - k;
  if (verdict === "at-limit") return "a clear change either way";
  return `${plural(missing, "view")} of these had to be quicker`;
}
