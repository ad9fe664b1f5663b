// Queries that the origin reported to the edge, of a route or of a site. Pages and the edge name routes
// independently, so the section states its edge routes.
import { link } from "./address.js";
import { numberCell, table } from "./components.js";
import { make } from "./dom.js";
import { count, metricValue, percent, plural, totalTime } from "./format.js";

/**
 * @typedef {import("./address.js").State} State
 * @typedef {import("./documents.js").QueryReport} Queries
 * @typedef {import("./documents.js").BackendQuery} Query
 */

/** @param {State} state @param {Queries} report @param {boolean} isFiltered whether filters are set, which do not apply to data of the edge */
export function routeQueries(state, report, isFiltered) {
  return make("section", { "aria-labelledby": "behind", "data-found": report.found },
    make("h2", { id: "behind" }, "Queries behind this route"),
    make("p", { class: "quiet" }, sourceSentence(report), isFiltered ? " Filters do not apply to data of the edge: all visitors are included, also bots." : ""),
    report.queries.length ? queryTable(report, false) : emptyHint(state, report),
  );
}

/** @param {Queries} report @param {string} lately */
export function siteQueries(report, lately) {
  return make("section", { "aria-labelledby": "queries" },
    make("h2", { id: "queries" }, "Origin queries ", make("small", { class: "quiet" }, lately)),
    report.queries.length ? queryTable(report, true) : make("p", { class: "quiet" }, report.answers ? `The origin reported no queries in ${plural(report.asked, "response")}. ` : "The edge served no requests. ", reportingHint()),
  );
}

/** @param {Queries} report @returns {(Node | string)[]} */
function sourceSentence({ page, found, routes, answers, asked }) {
  const counts = ` ${plural(answers, "response")}, ${count(asked)} of them from the origin.`;
  if (found === "nowhere") return ["The edge has no route named ", code(page), ", and none of the same shape. The queries behind this route are unknown."];
  if (found === "name") return ["Edge route ", code(page), ":", counts];
  return ["The edge has no route named ", code(page), ". Showing routes of the same shape, ", ...codeList(routes), ":", counts];
}

/** @param {State} state @param {Queries} report */
function emptyHint(state, { found, elsewhere }) {
  return make("p", { class: "quiet" },
    found === "nowhere" ? "" : "The origin reported no queries. ",
    elsewhere.length ? make("span", { "data-elsewhere": "" }, "It reported queries for ", ...codeList(elsewhere), ": ", make("a", { href: link(state, { view: "health" }) }, "all queries"), ". ") : "",
    reportingHint(),
  );
}

const reportingHint = () =>
  make("span", null, "Origins report queries in a response header, such as ", code('Server-Timing: db;dur=12.5;desc="getUser"'), "; see docs/cache.md.");

/** @param {Queries} report @param {boolean} isOfSite */
function queryTable({ queries, more }, isOfSite) {
  const columns = [
    { name: "Query" },
    { name: "Runs", number: true },
    { name: "Median", number: true },
    { name: "p95", number: true },
    { name: "Total time", number: true },
    { name: "Share of origin time", number: true, title: "Parallel queries can add up to more than 100 %" },
    { name: "Repeated" },
    ...(isOfSite ? [{ name: "Routes" }] : []),
  ];
  const row = (/** @type {Query} */ { name, n, p50, p95, seconds, share, answers, repeated, most, routes }) =>
    make("tr", { "data-query": name },
      make("th", { scope: "row", class: "cause" }, name === "(other)" ? make("span", { class: "quiet" }, "others") : code(name)),
      numberCell(count(n)),
      numberCell(metricValue(p50, "ms")),
      numberCell(metricValue(p95, "ms")),
      numberCell(seconds < 10 ? metricValue(seconds * 1000, "ms") : totalTime(seconds)),
      numberCell(share === null ? "–" : percent(share / 100)),
      make("td", { class: repeated ? "words alarm-words" : "words" }, repeated ? `5 times or more in ${count(repeated)} of ${plural(answers, "response")}, at most ${count(most)}: check for a loop` : most > 1 ? `at most ${count(most)} times per response` : "once per response"),
      isOfSite ? make("td", { class: "words" }, routes.join(", ")) : [],
    );
  const holder = make("div", null);
  const show = (/** @type {number} */ limit) =>
    holder.replaceChildren(
      table(isOfSite ? "Origin queries" : "Origin queries of this route", columns, queries.slice(0, limit).map(row)),
      make("p", { class: "more" }, queries.length > limit ? make("button", { type: "button", onclick: () => show(Infinity) }, `Show all ${count(queries.length)}`) : ""),
    );
  show(MAX_SHOWN);
  return make("div", null, holder, more > 0 && make("p", { class: "quiet" }, `and ${plural(more, "more query", "more queries")}`));
}

/** @param {string | null} text */
const code = (text) => make("code", null, text ?? "");
/** @param {string[]} names @returns {(Node | string)[]} */
const codeList = (names) => names.flatMap((name, index) => [index ? ", " : "", code(name)]);

const MAX_SHOWN = 12;
