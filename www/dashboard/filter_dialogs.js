// The dialogs of the filters and of the time range. The first offers the values that occur in the data.
import { DIMENSIONS, NAVIGATIONS, apiQuery, timeRange } from "./address.js";
import { dimensionValues, fetchJson, withParams } from "./api.js";
import { openDialog } from "./dialog.js";
import { make } from "./dom.js";
import { count } from "./format.js";

/**
 * @typedef {import("./address.js").State} State
 * @typedef {(change: Partial<State>) => void} Navigate
 */

/** @param {State} state @param {Navigate} go */
export function openFilterDialog(state, go) {
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
export function openRangeDialog(state, go) {
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
