// Recommendations, each with its evidence, the most that it can save, and a link to the route.
import { link } from "./address.js";
import { fact } from "./components.js";
import { make } from "./dom.js";
import { count, interval, metricValue, percent, totalTime } from "./format.js";
import { expandable } from "./history.js";

/**
 * @typedef {import("./address.js").State} State
 * @typedef {import("./documents.js").Advice} Recommendation
 */

/** @param {State} state @param {string} window @param {Recommendation[]} advice @param {string} lately */
export function recommendations(state, window, advice, lately) {
  return make("section", { "aria-labelledby": "advice" },
    make("h2", { id: "advice" }, "Recommendations ", make("small", { class: "quiet" }, lately)),
    advice.length
      ? expandable(advice, MAX_SHOWN, (shown) => make("ol", { class: "alerts" }, shown.map((each) => recommendation(state, window, each))))
      : make("p", { class: "quiet" }, "No recommendations. A recommendation needs about 100 visits, from pages that send their ", make("code", null, "attribution"), "."),
  );
}

/** @param {State} state @param {string} window @param {Recommendation} advice */
function recommendation(state, window, { rule, route, device, metric, place, finding, action, evidence, gain, reckoned }) {
  const at = { window, only: new Map([["device", device]]), metric };
  return make("li", { class: "panel", "data-advice": rule, "data-place": `${route} ${device} ${metric}` },
    make("header", { class: "row" },
      make("h3", null, RULE_TITLES[rule] ?? rule, make("small", { class: "quiet block" }, `${route} · ${device} · ${metric}`)),
      make("a", { href: link(state, { view: "route", route, ...at }) }, "View route"),
    ),
    make("p", null, make("b", null, action)),
    make("p", { class: "quiet" }, finding),
    make("dl", { class: "facts small" },
      fact("Visits", count(place.visits), `${count(place.over)} (${percent(place.over / Math.max(place.visits, 1))}) over ${metricValue(place.limit, place.unit)}`),
      fact("p75", metricValue(place.p75, place.unit), interval(place.interval, place.unit)),
      place.seconds === null ? null : fact("Time lost", totalTime(place.seconds), `${percent(place.share / 100)} of all time lost`),
      evidence.filter(({ what }) => what !== "visits over budget").map((each) => fact(each.what.replace(/^./, (first) => first.toUpperCase()), evidenceValue(each), "")),
      gain === null ? null : fact("Saving", `≤ ${totalTime(gain)}`, "estimated as below"),
    ),
    make("p", { class: "note quiet" }, `Estimate: ${reckoned}.`),
  );
}

/** @param {{ value: number, unit: string }} number */
const evidenceValue = ({ value: number, unit }) => (unit === "%" ? percent(number / 100) : unit === "ms" ? metricValue(number, "ms") : unit === "s" ? metricValue(number * 1000, "ms") : count(number));

/** @type {Record<string, string>} */
const RULE_TITLES = {
  "cache-misses": "Cache misses are slow",
  "slow-query": "Slow query",
  "slow-origin": "Slow origin",
  "late-resource": "LCP resource requested late",
  "heavy-resource": "LCP resource loads slowly",
  "late-render": "LCP element rendered late",
  "busy-thread": "Main thread busy during interactions",
  "slow-handler": "Slow event handlers",
  "slow-frame": "Slow rendering after interactions",
  "shifting-element": "Element causes layout shifts",
  "back-forward-cache": "Back/forward cache not used",
};
const MAX_SHOWN = 4;
