// Components that the views share: badges, rating bars, sparklines, tables, placeholders. None relies on colour
// alone.
import { draw, make } from "./dom.js";
import { VERDICT_LABELS, count, metricValue, percent, plural } from "./format.js";
import { nextFrame } from "./scheduling.js";

/** @param {string} verdict */
export function verdictBadge(verdict) {
  return make("span", { class: `verdict ${verdict}` }, VERDICT_LABELS[verdict] ?? verdict);
}

/** The most urgent verdict ranks lowest. @param {string} verdict */
export const verdictRank = (verdict) => VERDICT_RANKS.get(verdict) ?? -1;
const VERDICT_RANKS = new Map(Object.keys(VERDICT_LABELS).map((verdict, index) => [verdict, index]));

/** Fewer views are shown pale; the default minimum of a budget. */
export const MIN_VIEWS = 30;

/**
 * A bar of the exact shares of each rating.
 * @param {{ n: number, good: number, needs_improvement: number, poor: number }} stats
 */
export function ratingBar({ n, good, needs_improvement, poor }) {
  const label = n
    ? `${percent(good)} good, ${percent(needs_improvement)} needs improvement, ${percent(poor)} poor`
    : "no measurements";
  const bar = make("div", { class: n < MIN_VIEWS ? "shares pale" : "shares", role: "img", "aria-label": label, title: label });
  if (n) {
    for (const [name, share] of /** @type {[string, number][]} */ ([["good", good], ["between", needs_improvement], ["poor", poor]])) {
      if (share === 0) continue;
      const part = make("i", { class: name });
      part.style.flexGrow = String(share);
      bar.append(part);
    }
  }
  return bar;
}

/** @param {{ n: number, good: number, needs_improvement: number, poor: number }} stats */
export function ratingLegend({ n, good, needs_improvement, poor }) {
  if (!n) return make("p", { class: "legend quiet" }, "No measurements");
  const part = (/** @type {string} */ name, /** @type {string} */ word, /** @type {number} */ share) =>
    make("span", { class: `part ${name}` }, make("b", null, percent(share)), ` ${word}`);
  return make("p", { class: "legend" }, part("good", "good", good), part("between", "needs improvement", needs_improvement), part("poor", "poor", poor));
}

/**
 * A percentile with its confidence interval, without axes.
 * @param {{ at: number, value: number, low: number, high: number }[]} points @param {[number, number]} span @param {string} label
 */
export function sparkline(points, [from, to], label) {
  const [width, height] = [240, 44];
  const svg = draw("svg", { class: "trend", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": label });
  if (points.length === 0) return svg;
  // Scaled by the values: wide intervals of quiet hours would flatten the line.
  const values = points.map(({ value }) => value);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const room = Math.max((most - least) * 0.35, most * 0.06, Number.MIN_VALUE);
  const x = (/** @type {number} */ at) => ((at - from) / Math.max(to - from, 1)) * width;
  const y = (/** @type {number} */ value) => height - 3 - ((clamp(value, least - room, most + room) - least + room) / (most - least + 2 * room)) * (height - 6);
  const place = (/** @type {number} */ at, /** @type {number} */ value) => `${x(at).toFixed(1)} ${y(value).toFixed(1)}`;
  if (points.length > 1) {
    const band = [...points.map(({ at, high }) => place(at, high)), ...points.map(({ at, low }) => place(at, low)).reverse()];
    svg.append(draw("path", { class: "band", d: `M${band.join("L")}Z` }));
    svg.append(draw("path", { class: "line", d: `M${points.map(({ at, value }) => place(at, value)).join("L")}`, "vector-effect": "non-scaling-stroke" }));
  }
  const last = points[points.length - 1];
  svg.append(draw("path", { class: "dot", d: `M${place(last.at, last.value)}h0`, "vector-effect": "non-scaling-stroke" }));
  return svg;
}

const clamp = (/** @type {number} */ value, /** @type {number} */ low, /** @type {number} */ high) => Math.min(Math.max(value, low), high);

/**
 * A `wide` column is hidden on a phone; another column repeats its content there.
 * @typedef {{ name: string, number?: boolean, sort?: string, title?: string, wide?: boolean }} Column
 * @param {string} caption @param {Column[]} columns @param {HTMLTableRowElement[]} rows
 * @param {{ sorted?: string, sort?: (key: string) => void }} [how]
 */
export function table(caption, columns, rows, { sorted, sort } = {}) {
  const head = columns.map(({ name, number, sort: key, title, wide }) => {
    const button = key && sort ? make("button", { type: "button", id: `sort-${key}`, class: "sort", title, onclick: () => sort(key) }, name) : name;
    const way = key && sorted === key ? "descending" : key && sorted === `-${key}` ? "ascending" : null;
    return make("th", { scope: "col", class: [number && "number", wide && "wide-only"].filter(Boolean).join(" ") || null, "aria-sort": way, title: sort ? null : title }, button);
  });
  const ruler = make("i", { class: "ruler" });
  const box = make(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    ruler,
    make("table", null, make("caption", { class: "unseen" }, caption), make("thead", null, make("tr", null, head)), make("tbody", null, rows.map((row) => labelCells(row, columns)))),
  );
  widthObserver.observe(ruler);
  return box;
}

/** Labels each cell with its column, for the stacked layout. @param {HTMLTableRowElement} row @param {Column[]} columns */
function labelCells(row, columns) {
  for (const cell of row.cells) if (cell.tagName === "TD") cell.dataset.name = columns[cell.cellIndex]?.name ?? "";
  return row;
}

/** Stacks the cells of a table that is wider than its container. */
const widthObserver = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const box = target.parentElement;
    box?.classList.remove("stacked");
    box?.classList.toggle("stacked", box.scrollWidth > box.clientWidth);
  }
});

/**
 * A table that shows one page of rows at a time: laying out a thousand rows takes too long. The first rows of a
 * page are drawn at once and the others frame by frame; `drawn` resolves when all are there.
 * @template Item
 * @param {string} caption @param {Column[]} columns @param {(item: Item) => HTMLTableRowElement} row
 * @param {{ sorted?: string, sort?: (key: string) => void }} [how]
 */
export function pagedTable(caption, columns, row, how) {
  const box = make("div", null);
  let drawing = Promise.resolve();
  const show = (/** @type {Item[]} */ items, from = 0) => {
    const page = items.slice(from, from + ROWS_PER_PAGE);
    const shown = table(caption, columns, page.slice(0, ROWS_PER_FRAME).map(row), how);
    box.replaceChildren(shown, items.length > ROWS_PER_PAGE ? pager(items, from, page.length) : "");
    drawing = rest(shown, page);
  };
  const pager = (/** @type {Item[]} */ items, /** @type {number} */ from, /** @type {number} */ length) => {
    const button = (/** @type {string} */ word, /** @type {number} */ to) =>
      make("button", { type: "button", disabled: to < 0 || to >= items.length, "data-page": word, onclick: async () => {
        // Immediate feedback on the click.
        box.classList.add("turning");
        await nextFrame();
        box.classList.remove("turning");
        show(items, to);
        box.scrollIntoView();
        const again = box.querySelector(`[data-page="${word}"]:enabled`) ?? box.querySelector("[data-page]:enabled");
        if (again instanceof HTMLElement) again.focus({ preventScroll: true });
      } }, word);
    return make("nav", { class: "pages", "aria-label": "Table pages" },
      button("Previous", from - ROWS_PER_PAGE),
      make("span", { class: "quiet", role: "status" }, `${count(from + 1)} – ${count(from + length)} of ${count(items.length)}`),
      button("Next", from + ROWS_PER_PAGE),
    );
  };
  const rest = async (/** @type {HTMLElement} */ shown, /** @type {Item[]} */ page) => {
    const body = shown.querySelector("tbody");
    for (let at = ROWS_PER_FRAME; at < page.length; at += ROWS_PER_FRAME) {
      await nextFrame();
      // Another page has replaced this one.
      if (!shown.parentNode) return;
      body?.append(...page.slice(at, at + ROWS_PER_FRAME).map((item) => labelCells(row(item), columns)));
    }
  };
  return { box, show, drawn: () => drawing };
}

/** Ten rows fill about two screens of a phone. */
const [ROWS_PER_PAGE, ROWS_PER_FRAME] = [100, 10];

/** @param {import("./dom.js").Child | import("./dom.js").Child[]} content @param {string} [kind] */
export const cell = (content, kind) => make("td", { class: kind }, content);
/** @param {import("./dom.js").Child | import("./dom.js").Child[]} content @param {string} [kind] */
export const numberCell = (content, kind) => make("td", { class: kind ? `number ${kind}` : "number" }, content);
/** Content of hidden columns, shown on a phone only. @param {string} words */
export const narrowOnly = (words) => make("small", { class: "quiet narrow-only" }, words);

/** A named figure with a note, for a list of facts. @param {string} name @param {string} text @param {string} note */
export const fact = (name, text, note) =>
  make("div", { "data-fact": name }, make("dt", null, name), make("dd", null, make("b", null, text), make("small", null, note)));

/**
 * A message in place of data: the state, and the remedy.
 * @param {string} title @param {...(import("./dom.js").Child)} children
 */
export const placeholder = (title, ...children) => make("section", { class: "instead" }, make("h2", null, title), ...children);

/** A message that is the whole content of the page. @param {string} title @param {...(import("./dom.js").Child)} children */
export const pageMessage = (title, ...children) => make("section", { class: "instead" }, make("h1", null, title), ...children);

/** Skeleton cards for data that is loading. */
export function loadingCards() {
  const card = () => make("div", { class: "card waiting" }, make("i"), make("i"), make("i"));
  return make("div", { class: "cards", "aria-hidden": "true" }, card(), card(), card());
}

/** @param {number} n */
export const viewCount = (n) => (n === 0 ? "no views" : plural(n, "view"));

/** @param {{ n: number, k: number, max: number, unit: string }} judged */
export function budgetSummary({ n, k, max, unit }) {
  return n ? `${percent(k / n)} of ${count(n)} within ${metricValue(max, unit)}` : `no views yet; budget ${metricValue(max, unit)}`;
}
