// Two releases, or this span of time and the one before: side by side, and whether the difference is
// more than chance.
import { link, question, span } from "./address.js";
import { and, json, valuesOf } from "./ask.js";
import { make } from "./dom.js";
import { FEW, cell, instead, number, shares, table } from "./marks.js";
import { ORDER, count, day, interval, percent, plural, value } from "./words.js";

/**
 * @typedef {import("./address.js").State} State
 * @typedef {import("./documents.js").MetricComparison} MetricComparison
 */

/** @param {State} state @param {(change: Partial<State>) => void} go @returns {Promise<import("./overview.js").Shown>} */
export async function compare(state, go) {
  const asked = question(state);
  /** @type {import("./documents.js").QueryResponse} */
  const releases = await json("/api/vitals/distribution", and(asked, { by: "release", release: null }));
  const known = valuesOf(releases.lines, "release");
  const byRelease = state.a !== null && state.b !== null && state.a !== state.b;
  const [from, to] = span(state);
  const length = to - from;
  const times = { window: null, from: null, to: null, release: null };
  /** @type {Record<string, string | null>} */
  const sides = byRelease
    ? { "a.release": String(state.a), "b.release": String(state.b), release: null }
    : { ...times, "a.from": String(from - length), "a.to": String(from), "b.from": String(from), "b.to": String(to), ...(state.only.has("release") ? { release: String(state.only.get("release")) } : {}) };
  /** @type {import("./documents.js").Comparison} */
  const compared = await json("/api/vitals/compare", and(asked, sides));
  const names = byRelease ? [String(state.a), String(state.b)] : [`${day(from - length)} – ${day(from)}`, `${day(from)} – ${day(to)}`];
  const lines = ORDER.flatMap((name) => compared.lines.find(({ metric }) => metric === name) ?? []);
  return {
    title: "Compare",
    whole: { site: compared.site, views: compared.a.views + compared.b.views, heard_at: releases.heard_at },
    content: [
      make("h1", null, "Compare"),
      choose(state, known, go),
      make("p", { class: "lead" }, make("b", null, names[1]), ` (${plural(compared.b.views, "view")}) compared with `, make("b", null, names[0]), ` (${plural(compared.a.views, "view")}).`),
      lines.length
        ? table("Comparison by metric", [{ name: "Metric" }, { name: byRelease ? String(state.a) : "Before", number: true }, { name: "Distribution" }, { name: byRelease ? String(state.b) : "Now", number: true }, { name: "Distribution" }, { name: "p75 change", number: true }, { name: "Over budget", number: true }, { name: "Result" }], lines.map(row))
        : instead("Nothing to compare", make("p", null, "Neither side has views. Choose a longer time range, or other releases.")),
    ],
    seen: {
      name: "compare",
      columns: ["metric", "unit", "a_n", "a_p75", "b_n", "b_p75", "points_worse", "p_value", "regression"],
      rows: lines.map(({ metric, unit, a, b, budget }) => [metric, unit, a.n, a.p75, b.n, b.p75, budget?.points_worse ?? null, budget?.p_value ?? null, budget ? String(budget.regression) : null]),
      document: compared,
    },
  };
}

/** @param {State} state @param {{ name: string, n: number }[]} known @param {(change: Partial<State>) => void} go */
function choose(state, known, go) {
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
function row({ metric, unit, a, b, budget }) {
  const change = a.p75 && b.p75 ? b.p75 / a.p75 - 1 : null;
  const few = a.n < FEW || b.n < FEW;
  const side = (/** @type {import("./documents.js").Stats} */ stats) => [
    number([value(stats.p75, unit), make("small", { class: "quiet" }, stats.n ? interval(stats.p75_interval, unit) : "no views")]),
    cell(shares(stats)),
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
    number(change === null ? "–" : `${change > 0 ? "+" : ""}${percent(change)}`),
    number(budget ? points(budget.points_worse) : "–"),
    cell([words, budget && !few ? make("small", { class: "quiet" }, budget.p_value < 0.001 ? "p-value below 0.1 %" : `p-value ${percent(budget.p_value)}`) : null]),
  );
}

/** @param {number} worse */
function points(worse) {
  const form = new Intl.NumberFormat(navigator.languages, { maximumFractionDigits: 1, signDisplay: "exceptZero" });
  return `${form.format(worse)} points`;
}
