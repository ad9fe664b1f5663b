// Exports of the current view: CSV, JSON, PNG, print.
import { make } from "./dom.js";

/** @typedef {import("./overview.js").ViewContent} Shown */

/** @param {() => Shown | null} current */
export function exportMenu(current) {
  const menu = make("details", { class: "menu" });
  const item = (/** @type {string} */ word, /** @type {(shown: Shown) => void} */ take) =>
    make("button", { type: "button", onclick: () => {
      menu.open = false;
      const shown = current();
      if (shown) take(shown);
    } }, word);
  menu.append(
    make("summary", null, "Export"),
    make("div", { class: "items" },
      item("Table (CSV)", async (shown) => (await files()).saveTable(shown)),
      item("Document (JSON)", async (shown) => (await files()).saveDocument(shown)),
      item("Chart (PNG)", async (shown) => (await files()).saveCharts(shown)),
      item("Print", () => print()),
    ),
  );
  menu.addEventListener("focusout", ({ relatedTarget }) => {
    if (!(relatedTarget instanceof Node && menu.contains(relatedTarget))) menu.open = false;
  });
  menu.addEventListener("keydown", ({ key }) => {
    if (key !== "Escape" || !menu.open) return;
    menu.open = false;
    menu.querySelector("summary")?.focus();
  });
  return menu;
}

/** The writers of files, which most visits never need. */
const files = () => import("./export_files.js");
