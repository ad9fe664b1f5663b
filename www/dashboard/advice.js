// What would help: recommendations that follow from what visits tell, each with what it rests on, what it
// would save at most, and where to look.
import { link } from "./address.js";
import { make } from "./dom.js";
import { more } from "./history.js";
import { count, interval, lasting, percent, value } from "./words.js";

/**
 * @typedef {import("./address.js").State} State
 * @typedef {import("./documents.js").Impact} Met
 * @typedef {import("./documents.js").Advice} Advice
 */

/** @param {State} state @param {string} window @param {Advice[]} advice @param {string} lately */
export function recommendations(state, window, advice, lately) {
  return make("section", { "aria-labelledby": "advice" },
    make("h2", { id: "advice" }, "What would help ", make("small", { class: "quiet" }, lately)),
    advice.length
      ? more(advice, FEW, (shown) => make("ol", { class: "alerts" }, shown.map((each) => item(state, window, each))))
      : make("p", { class: "quiet" }, "Nothing follows from these visits: no page loses much by a cause that they tell of. A rule needs about a hundred visits, and pages that send their ", make("code", null, "attribution"), "."),
  );
}

/** @param {State} state @param {string} window @param {Advice} advice */
function item(state, window, { rule, route, device, metric, place, finding, action, evidence, gain, reckoned }) {
  const fact = (/** @type {string} */ name, /** @type {string} */ text, /** @type {string} */ more) =>
    make("div", { "data-fact": name }, make("dt", null, name), make("dd", null, make("b", null, text), make("small", null, more)));
  const at = { window, only: new Map([["device", device]]), metric };
  return make("li", { class: "panel", "data-advice": rule, "data-place": `${route} ${device} ${metric}` },
    make("header", { class: "row" },
      make("h3", null, RULES[rule] ?? rule, make("small", { class: "quiet block" }, `${route} · ${device} · ${metric}`)),
      make("a", { href: link(state, { view: "route", route, ...at }) }, "Look at the route"),
    ),
    make("p", null, make("b", null, action)),
    make("p", { class: "quiet" }, finding),
    make("dl", { class: "facts small" },
      fact("Visits", count(place.visits), `${count(place.over)} (${percent(place.over / Math.max(place.visits, 1))}) over ${value(place.limit, place.unit)}`),
      fact("p75", value(place.p75, place.unit), interval(place.interval, place.unit)),
      place.seconds === null ? null : fact("They lose", lasting(place.seconds), `${percent(place.share / 100)} of what all visits lose`),
      evidence.filter(({ what }) => what !== "visits over budget").map((each) => fact(each.what.replace(/^./, (first) => first.toUpperCase()), measured(each), "")),
      gain === null ? null : fact("It saves", `≤ ${lasting(gain)}`, "as reckoned below"),
    ),
    make("p", { class: "note quiet" }, `Reckoned: ${reckoned}.`),
  );
}

/** @param {{ value: number, unit: string }} number */
const measured = ({ value: number, unit }) => (unit === "%" ? percent(number / 100) : unit === "ms" ? value(number, "ms") : unit === "s" ? value(number * 1000, "ms") : count(number));

/** @type {Record<string, string>} */
const RULES = {
  "cache-misses": "Misses cost what hits do not",
  "slow-query": "A query is slow",
  "slow-origin": "The origin is slow",
  "late-resource": "The largest element is asked for late",
  "heavy-resource": "The largest element loads long",
  "late-render": "It is there, and not painted",
  "busy-thread": "The page is busy when people act",
  "slow-handler": "Handlers take long",
  "slow-frame": "The next frame takes long",
  "shifting-element": "Something moves",
  "back-forward-cache": "Going back loads anew",
};
const FEW = 4;
