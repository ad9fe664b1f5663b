// Two releases, or a time range and the one before, side by side, with the significance of the difference.
import { apiQuery, link, timeRange } from "./address.js";
import { dimensionValues, fetchJson, withParams } from "./api.js";
import { MIN_VIEWS, cell, numberCell, placeholder, ratingBar, table } from "./components.js";
import { make } from "./dom.js";
import { METRIC_ORDER, count, date, interval, metricValue, percent, plural } from "./format.js";

/**
 * @typedef {import("./address.js").State} State
 * @typedef {import("./documents.js").ComparisonLine} MetricComparison
 */

/** @param {State} state @param {(change: Partial<State>) => void} go @returns {Promise<import("./overview.js").ViewContent>} */
export async function compare(state, go) {
  const query = apiQuery(state);
  /** @type {import("./documents.js").QueryResponse} */
  const releases = await fetchJson("/api/vitals/distribution", withParams(query, { by: "release", release: null }));
  const known = dimensionValues(releases.lines, "release");
  const byRelease = state.a !== null && state.b !== null && state.a !== state.b;
  const [from, to] = timeRange(state);
  const length = to - from;
  const times = { window: null, from: null, to: null, release: null };
  /** @type {Record<string, string | null>} */
  const sides = byRelease
    ? { "a.release": String(state.a), "b.release": String(state.b), release: null }
    : { ...times, "a.from": String(from - length), "a.to": String(from), "b.from": String(from), "b.to": String(to), ...(state.only.has("release") ? { release: String(state.only.get("release")) } : {}) };
  /** @type {import("./documents.js").ComparisonResponse} */
  const comparison = await fetchJson("/api/vitals/compare", withParams(query, sides));
  const names = byRelease ? [String(state.a), String(state.b)] : [`${date(from - length)} – ${date(from)}`, `${date(from)} – ${date(to)}`];
  const lines = METRIC_ORDER.flatMap((name) => comparison.lines.find(({ metric }) => metric === name) ?? []);
  return {
    title: "Compare",
    totals: { site: comparison.site, views: comparison.a.views + comparison.b.views, heard_at: releases.heard_at },
    content: [
      make("h1", null, "Compare"),
      sidePicker(state, known, go),
      make("p", { class: "lead" }, make("b", null, names[1]), ` (${plural(comparison.b.views, "view")}) compared with `, make("b", null, names[0]), ` (${plural(comparison.a.views, "view")}).`),
      lines.length
        ? table("Comparison by metric", [{ name: "Metric" }, { name: byRelease ? String(state.a) : "Before", number: true }, { name: "Distribution" }, { name: byRelease ? String(state.b) : "Now", number: true }, { name: "Distribution" }, { name: "p75 change", number: true }, { name: "Over budget", number: true }, { name: "Result" }], lines.map(comparisonRow))
        : placeholder("Nothing to compare", make("p", null, "Neither side has views. Choose a longer time range, or other releases.")),
    ],
    exportData: {
      name: "compare",
      columns: ["metric", "unit", "a_n", "a_p75", "b_n", "b_p75", "points_worse", "p_value", "regression"],
      rows: lines.map(({ metric, unit, a, b, budget }) => [metric, unit, a.n, a.p75, b.n, b.p75, budget?.points_worse ?? null, budget?.p_value ?? null, budget ? String(budget.regression) : null]),
      document: comparison,
    },
  };
}

/** @param {State} state @param {{ name: string, n: number }[]} known @param {(change: Partial<State>) => void} go */
function sidePicker(state, known, go) {
  const pick = (/** @type {"a" | "b"} */ side, /** @type {string} */ word) => {
    const options = known.map(({ name, n }) => make("option", { value: name, selected: state[side] === name }, `${name} (${count(n)})`));
    const box = make("select", { id: `side-${side}`, onchange: () => go({ [side]: box.value || null }) }, make("option", { value: "" }, "Choose…"), options);
    return make("label", null, word, box);
  };
  return make("div", { class: "pickers" },
    make("nav", { class: "picker", "aria-label": "Comparison" },
      make("a", { href: link(state, { a: null, b: null }), "aria-current": state.a || state.b ? null : "true" }, "Previous period"),
      known.length > 1 ? make("a", { href: link(state, { a: known[1].name, b: known[0].name }), "aria-current": state.a || state.b ? "true" : null }, "Releases") : null,
    ),
    known.length > 1 && (state.a !== null || state.b !== null) ? make("div", { class: "sides" }, pick("a", "Before"), pick("b", "Now")) : null,
  );
}

/** @param {MetricComparison} line */
function comparisonRow({ metric, unit, a, b, budget }) {
  const change = a.p75 && b.p75 ? b.p75 / a.p75 - 1 : null;
  const few = a.n < MIN_VIEWS || b.n < MIN_VIEWS;
  const side = (/** @type {import("./documents.js").MetricStats} */ stats) => [
    numberCell([metricValue(stats.p75, unit), make("small", { class: "quiet" }, stats.n ? interval(stats.p75_interval, unit) : "no views")]),
    cell(ratingBar(stats)),
  ];
  const words = few
    ? make("span", { class: "verdict insufficient" }, "Insufficient data")
    : budget === null
      ? make("span", { class: "verdict none" }, "No shared budget")
      : budget.regression
        ? make("span", { class: "verdict violated" }, "Worse")
        : budget.p_value < 0.01 && budget.points_worse < 0
          ? make("span", { class: "verdict met" }, "Better")
          : make("span", { class: "verdict none" }, "No significant difference");
  return make("tr", { class: few ? "pale" : null, "data-metric": metric },
    make("th", { scope: "row" }, metric),
    side(a),
    side(b),
    numberCell(change === null ? "–" : `${change > 0 ? "+" : ""}${percent(change)}`),
    numberCell(budget ? pointsLabel(budget.points_worse) : "–"),
    cell([words, budget && !few ? make("small", { class: "quiet" }, budget.p_value < 0.001 ? "p-value below 0.1 %" : `p-value ${percent(budget.p_value)}`) : null]),
  );
}

/** @param {number} worse */
function pointsLabel(worse) {
  const form = new Intl.NumberFormat(navigator.languages, { maximumFractionDigits: 1, signDisplay: "exceptZero" });
  return `${form.format(worse)} points`;
}
