// The queries behind a page, as the origin told the edge of them; and all of a site. Pages and the edge name
// their routes each by itself, so it is said whose queries are shown.
import { link } from "./address.js";
import { make } from "./dom.js";
import { number, table } from "./marks.js";
import { count, lasting, percent, plural, value } from "./words.js";

/**
 * @typedef {import("./address.js").State} State
 * @typedef {import("./documents.js").BackendQuery} Query
 * @typedef {import("./documents.js").QueryReport} Queries
 */

/** Those of a page. @param {State} state @param {Queries} told @param {boolean} isFiltered whether the page is asked about with filters, which the edge does not know */
export function behind(state, told, isFiltered) {
  return make("section", { "aria-labelledby": "behind", "data-found": told.found },
    make("h2", { id: "behind" }, "The queries behind it"),
    make("p", { class: "quiet" }, whose(told), isFiltered ? " The edge does not know the filters: these are of all its visitors, programs too." : ""),
    told.queries.length ? list(told, false) : none(state, told),
  );
}

/** Those of a site. @param {Queries} told @param {string} lately */
export function ofSite(told, lately) {
  return make("section", { "aria-labelledby": "queries" },
    make("h2", { id: "queries" }, "Queries of the origin ", make("small", { class: "quiet" }, lately)),
    told.queries.length ? list(told, true) : make("p", { class: "quiet" }, told.answers ? `The origin told of no query in ${plural(told.asked, "answer")}. ` : "The edge answered nothing. ", howTo()),
  );
}

/** @param {Queries} told @returns {(Node | string)[]} */
function whose({ page, found, routes, answers, asked }) {
  const heard = ` ${plural(answers, "answer")}, of which the origin was asked for ${count(asked)}.`;
  if (found === "nowhere") return ["The edge has no route that is called ", code(page), " or has its shape, so nobody knows which queries are behind it."];
  if (found === "name") return ["Of the edge’s route ", code(page), ":", heard];
  return ["The edge has no route that is called ", code(page), ". Shown instead is what has its shape, ", ...listed(routes), ":", heard];
}

/** What is said where there is none. @param {State} state @param {Queries} told */
function none(state, { found, elsewhere }) {
  return make("p", { class: "quiet" },
    found === "nowhere" ? "" : "The origin told of no query. ",
    elsewhere.length ? make("span", { "data-elsewhere": "" }, "It told of queries behind ", ...listed(elsewhere), ": ", make("a", { href: link(state, { view: "health" }) }, "all queries"), ". ") : "",
    howTo(),
  );
}

const howTo = () =>
  make("span", null, "An origin tells of them by a field of its answers, such as ", code('Server-Timing: db;dur=12.5;desc="getUser"'), "; docs/cache.md says more.");

/** @param {Queries} told @param {boolean} isOfSite */
function list({ queries, more }, isOfSite) {
  const columns = [
    { name: "Query" },
    { name: "Runs", number: true },
    { name: "Median", number: true },
    { name: "p95", number: true },
    { name: "All together", number: true },
    { name: "Of the origin’s time", number: true, title: "Queries that run side by side may come to more than all of it" },
    { name: "Repeated" },
    ...(isOfSite ? [{ name: "On routes" }] : []),
  ];
  const row = (/** @type {Query} */ { name, n, p50, p95, seconds, share, answers, repeated, most, routes }) =>
    make("tr", { "data-query": name },
      make("th", { scope: "row", class: "cause" }, name === "(other)" ? make("span", { class: "quiet" }, "others") : code(name)),
      number(count(n)),
      number(value(p50, "ms")),
      number(value(p95, "ms")),
      number(seconds < 10 ? value(seconds * 1000, "ms") : lasting(seconds)),
      number(share === null ? "–" : percent(share / 100)),
      make("td", { class: repeated ? "words alarm-words" : "words" }, repeated ? `five times or more in ${count(repeated)} of ${plural(answers, "answer")}, at most ${count(most)}: is it in a loop?` : most > 1 ? `at most ${count(most)} times in an answer` : "once in an answer"),
      isOfSite ? make("td", { class: "words" }, routes.join(", ")) : [],
    );
  const holder = make("div", null);
  const show = (/** @type {number} */ most) =>
    holder.replaceChildren(
      table(isOfSite ? "Queries of the origin" : "Queries behind this route", columns, queries.slice(0, most).map(row)),
      make("p", { class: "more" }, queries.length > most ? make("button", { type: "button", onclick: () => show(Infinity) }, `Show all ${count(queries.length)}`) : ""),
    );
  show(FIRST);
  return make("div", null, holder, more > 0 && make("p", { class: "quiet" }, `and ${plural(more, "more query", "more queries")}`));
}

/** @param {string | null} text */
const code = (text) => make("code", null, text ?? "");
/** @param {string[]} names @returns {(Node | string)[]} */
const listed = (names) => names.flatMap((name, index) => [index ? ", " : "", code(name)]);

const FIRST = 12;
