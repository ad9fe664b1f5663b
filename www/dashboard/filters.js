// Filters and the time range.
import { DIMENSIONS, NAVIGATIONS, WINDOWS, link, timeRange } from "./address.js";
import { make } from "./dom.js";
import { dateTime, groupLabel, windowLabel } from "./format.js";

/**
 * @typedef {import("./address.js").State} State
 * @typedef {(change: Partial<State>) => void} Navigate
 */

/** @param {State} state @param {Navigate} go */
export function filters(state, go) {
  const own = state.from !== null || state.to !== null;
  const [from, to] = timeRange(state);
  const spans = make("select", { id: "window", "aria-label": "Time range", onchange: () => void chosen(spans.value) },
    WINDOWS.map((window) => make("option", { value: window, selected: !own && window === state.window }, windowLabel(window))),
    !own && !WINDOWS.some((window) => window === state.window) ? make("option", { value: state.window, selected: true }, windowLabel(state.window)) : null,
    make("option", { value: "own", selected: own }, own ? `${dateTime(from)} – ${dateTime(to)}` : "Custom range …"),
  );
  const chosen = async (/** @type {string} */ window) => (window === "own" ? (await dialogs()).openRangeDialog(state, go) : go({ window, from: null, to: null }));
  const bots = make("select", { id: "bots", "aria-label": "Visitors", onchange: () => go({ bots: bots.value }) },
    [["exclude", "People"], ["include", "People and bots"], ["only", "Bots only"]].map(([name, word]) => make("option", { value: name, selected: name === state.bots }, word)),
  );
  return make("div", { class: "filters" },
    spans,
    bots,
    state.navigations === "hard" ? null : chip("Navigations", NAVIGATIONS.get(state.navigations) ?? state.navigations, link(state, { navigations: "hard" })),
    [...state.only].map(([name, value]) => {
      const rest = new Map([...state.only].filter(([other]) => other !== name));
      const word = DIMENSIONS.get(name) ?? name.replace(/^dim\./, "");
      return chip(word, groupLabel(value), link(state, { only: rest }));
    }),
    make("button", { type: "button", id: "add", class: "add", onclick: async () => (await dialogs()).openFilterDialog(state, go) }, "+ Filter"),
  );
}

/** The dialogs, which most visits never open. */
const dialogs = () => import("./filter_dialogs.js");

/** A filter in force, and the link that removes it. @param {string} word @param {string} value @param {string} href */
const chip = (word, value, href) =>
  make("a", { class: "chip", href, "aria-label": `Remove filter: ${word} is ${value}` }, make("span", { class: "quiet" }, `${word} `), value, make("span", { "aria-hidden": "true", class: "x" }, "×"));
