// Filters and the time range. The dialog offers the values that occur in the data.
import { DIMENSIONS, WINDOWS, apiQuery, link, timeRange } from "./address.js";
import { dimensionValues, fetchJson, withParams } from "./api.js";
import { openDialog } from "./dialog.js";
import { make } from "./dom.js";
import { count, dateTime, groupLabel, windowLabel } from "./format.js";

/**
 * @typedef {import("./address.js").State} State
 * @typedef {(change: Partial<State>) => void} Navigate
 */

/** @param {State} state @param {Navigate} go */
export function filters(state, go) {
  const own = state.from !== null || state.to !== null;
  const [from, to] = timeRange(state);
  const spans = make("select", { id: "window", "aria-label": "Time range", onchange: () => chosen(spans.value) },
    WINDOWS.map((window) => make("option", { value: window, selected: !own && window === state.window }, windowLabel(window))),
    !own && !WINDOWS.some((window) => window === state.window) ? make("option", { value: state.window, selected: true }, windowLabel(state.window)) : null,
    make("option", { value: "own", selected: own }, own ? `${dateTime(from)} – ${dateTime(to)}` : "Custom range …"),
  );
  const chosen = (/** @type {string} */ window) => (window === "own" ? openRangeDialog(state, go) : go({ window, from: null, to: null }));
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
    make("button", { type: "button", id: "add", class: "add", onclick: () => openFilterDialog(state, go) }, "+ Filter"),
  );
}

/** A filter in force, and the link that removes it. @param {string} word @param {string} value @param {string} href */
const chip = (word, value, href) =>
  make("a", { class: "chip", href, "aria-label": `Remove filter: ${word} is ${value}` }, make("span", { class: "quiet" }, `${word} `), value, make("span", { "aria-hidden": "true", class: "x" }, "×"));

/** The kinds of navigations that are counted. They have no place in the row of filters, which is one line on a phone. */
const NAVIGATIONS = new Map([["hard", "Loads"], ["soft", "Soft navigations"], ["all", "Loads and soft navigations"]]);

/** @param {State} state @param {Navigate} go */
function openFilterDialog(state, go) {
  const values = make("ul", { class: "values" });
  const kinds = make("select", { id: "dimension", onchange: () => fill() }, [...DIMENSIONS].filter(([name]) => !state.only.has(name)).map(([name, word]) => make("option", { value: name }, word)));
  const navigations = make("select", { id: "navigations", onchange: () => (dialog.close(), go({ navigations: navigations.value })) },
    [...NAVIGATIONS].map(([name, word]) => make("option", { value: name, selected: name === state.navigations }, word)),
  );
  const dialog = openDialog("Add a filter", make("label", { for: "dimension" }, "Dimension"), kinds, values, make("label", { for: "navigations" }, "Navigations"), navigations);
  const fill = async () => {
    const by = kinds.value;
    values.replaceChildren(make("li", { class: "quiet" }, "Loading…"));
    try {
      /** @type {import("./documents.js").QueryResponse} */
      const { lines } = await fetchJson("/api/vitals/distribution", withParams(apiQuery(state), { by }));
      if (kinds.value !== by) return;
      const known = dimensionValues(lines, by);
      values.replaceChildren(
        ...(known.length
          ? known.map(({ name: value, n }) => {
              const take = () => {
                dialog.close();
                go({ only: new Map([...state.only, [by, value]]) });
              };
              return make("li", null, make("button", { type: "button", onclick: take }, value, make("span", { class: "quiet" }, count(n))));
            })
          : [make("li", { class: "quiet" }, "Not reported.")]),
      );
    } catch (error) {
      values.replaceChildren(make("li", { class: "quiet" }, error instanceof Error ? error.message : "Loading failed."));
    }
  };
  fill();
}

/** @param {State} state @param {Navigate} go */
function openRangeDialog(state, go) {
  const [from, to] = timeRange(state);
  const field = (/** @type {string} */ id, /** @type {number} */ at) => make("input", { id, type: "datetime-local", value: toInputValue(at), required: true });
  const [first, last] = [field("from", from), field("to", to)];
  const wrong = make("p", { class: "wrong", role: "alert" });
  const use = (/** @type {Event} */ event) => {
    event.preventDefault();
    const [start, end] = [new Date(first.value).getTime(), new Date(last.value).getTime()];
    if (!(start < end)) {
      wrong.textContent = "The start must be before the end.";
      return;
    }
    dialog.close();
    go({ from: start, to: end });
  };
  const dialog = openDialog("Custom range",
    make("form", { onsubmit: use }, make("label", { for: "from" }, "From"), first, make("label", { for: "to" }, "To"), last, wrong, make("button", { type: "submit", class: "primary" }, "Apply")),
  );
  // After Cancel, the select shows the current range again.
  dialog.addEventListener("close", () => go({}), { once: true });
}

/** Local time as a value of a datetime-local input. @param {number} at */
function toInputValue(at) {
  const moved = new Date(at - new Date(at).getTimezoneOffset() * 60_000);
  return moved.toISOString().slice(0, 16);
}
