// How a site was: its status over the last days, where nobody looked a gap; and the incidents, each from
// its beginning to its end.
import { link } from "./address.js";
import { make } from "./dom.js";
import { cell, number, table } from "./marks.js";
import { SIGNALS, count, date, duration, lately, moment, percent, plural } from "./words.js";

/**
 * @typedef {import("./address.js").State} State
 * @typedef {import("./documents.js").Incident} Incident
 * @typedef {import("./documents.js").StatusHistory} StatusHistory
 * @typedef {import("./documents.js").StatusRun} StatusRun
 */

/** The spans that a history is shown of. */
export const SPANS = ["7d", "28d", "90d"];

/** @param {State} state @param {string} window @param {StatusHistory} history */
export function statuses(state, window, { from, to, statuses, spent, unseen }) {
  const whole = to - from;
  const bar = make("div", { class: "strip", role: "img", "aria-label": sentence(spent, unseen, whole) });
  for (const run of statuses) {
    const piece = make("i", { class: run.health, title: `${STATUSES[run.health]}, ${moment(run.from)} – ${moment(run.to)}` });
    piece.style.left = `${((run.from - from) / whole) * 100}%`;
    piece.style.width = `${((run.to - run.from) / whole) * 100}%`;
    bar.append(piece);
  }
  const shares = [...ORDER.map((name) => /** @type {const} */ ([name, spent[name] ?? 0])), /** @type {const} */ (["unseen", unseen])];
  return make("section", { "aria-labelledby": "history", "data-history": window },
    make("header", { class: "row" },
      make("h2", { id: "history" }, "Status history"),
      make("nav", { class: "picker", "aria-label": "Time range" }, SPANS.map((name) => make("a", { href: link(state, { window: name }), "aria-current": name === window ? "true" : null }, lately(name)))),
    ),
    make("div", { class: "figure" },
      bar,
      make("div", { class: "ticks quiet", "aria-hidden": "true" }, [0, 1, 2, 3].map((quarter) => make("span", null, date(from + (whole * quarter) / 4))), make("span", null, "now")),
      make("p", { class: "legend" },
        shares.filter(([, millis]) => millis > 0).map(([name, millis]) => make("span", { class: `part ${name === "unseen" ? "gap" : name}`, "data-spent": name }, make("b", null, percent(millis / whole)), ` ${NAMES[name]}`)),
      ),
    ),
    changes(statuses, to),
  );
}

/** @param {Record<string, number>} spent @param {number} unseen @param {number} whole */
function sentence(spent, unseen, whole) {
  const parts = ORDER.filter((name) => spent[name]).map((name) => `${percent((spent[name] ?? 0) / whole)} ${NAMES[name]}`);
  if (unseen > 0) parts.push(`${percent(unseen / whole)} ${NAMES.unseen}`);
  return `Status over time: ${parts.join(", ")}`;
}

/** Each status with how long it lasted, the latest first; gaps among them. @param {StatusRun[]} statuses @param {number} to */
function changes(statuses, to) {
  if (statuses.length === 0) return make("p", { class: "quiet" }, "No evaluations in this period. The cron trigger evaluates the site every 15 minutes; without it there is no history.");
  const ends = [...statuses.slice(1).map(({ from }) => from), to];
  const all = statuses.flatMap((run, index) => (ends[index] - run.to > MINUTE ? [run, { from: run.to, to: ends[index], health: "unseen", score: null }] : [run])).reverse();
  const row = (/** @type {{ from: number, to: number, health: string, score: number | null }} */ { from, to, health, score }, /** @type {number} */ index) =>
    make("tr", { "data-status": health },
      cell(statusMark(health)),
      make("th", { scope: "row" }, moment(from)),
      cell(index === 0 && health !== "unseen" ? "now" : moment(to)),
      number(duration(to - from)),
      number(score === null ? "–" : count(score)),
    );
  return more(all, FEW, (shown) => table("Status changes", [{ name: "Status" }, { name: "From" }, { name: "To" }, { name: "Duration", number: true }, { name: "Lowest score", number: true }], shown.map(row)));
}

/** @param {State} state @param {StatusHistory} history */
export function incidents(state, { to, incidents, more_incidents = 0 }) {
  const head = make("h2", { id: "incidents" }, "Incidents");
  if (!incidents) return make("section", { "aria-labelledby": "incidents" }, head, make("p", { class: "quiet" }, "Incidents require the read token."));
  const row = (/** @type {Incident} */ { key, signal, route, device, series, opened, level, says, told, acknowledged, ended }) =>
    make("tr", { "data-incident": key },
      make("th", { scope: "row" }, SIGNALS[signal] ?? signal, make("small", { class: "quiet block" }, route ? make("a", { href: link(state, { view: "route", route }) }, route) : "the whole site", [device, series].filter(Boolean).map((part) => ` · ${part}`).join(""))),
      cell(make("span", { class: `verdict ${level === "critical" ? "violated" : "at-limit"}` }, level === "critical" ? "Critical" : "Warning")),
      make("td", { class: "words" }, says),
      cell([moment(opened), make("small", { class: "quiet" }, ended ? `${ended.lapsed ? "no longer evaluated since" : "ended"} ${moment(ended.at)}` : "ongoing")]),
      number(duration((ended?.at ?? to) - opened)),
      make("td", { class: "words" }, Object.keys(told).length ? Object.entries(told).map(([channel, at]) => make("span", { class: "block", title: moment(at) }, channel)) : "nobody"),
      cell(acknowledged ? [acknowledged.by, make("small", { class: "quiet" }, moment(acknowledged.at))] : "nobody"),
    );
  const columns = [{ name: "Alert" }, { name: "Severity" }, { name: "Message" }, { name: "Start, end" }, { name: "Duration", number: true }, { name: "Notified" }, { name: "Acknowledged by" }];
  return make("section", { "aria-labelledby": "incidents" },
    head,
    incidents.length ? more(incidents, FEW, (shown) => table("Incidents, newest first", columns, shown.map(row))) : make("p", { class: "quiet" }, "No incidents in this period."),
    more_incidents > 0 && make("p", { class: "quiet" }, `and ${plural(more_incidents, "earlier incident")}`),
  );
}

/** Some, and the rest on demand. @template T @param {T[]} all @param {number} first @param {(shown: T[]) => Node} show */
export function more(all, first, show) {
  const holder = make("div", null, show(all.slice(0, first)));
  if (all.length > first) holder.append(make("p", { class: "more" }, make("button", { type: "button", onclick: () => holder.replaceChildren(show(all)) }, `Show all ${count(all.length)}`)));
  return holder;
}

/** @param {string} status */
export const statusMark = (status) => make("span", { class: `verdict ${{ healthy: "met", degraded: "at-limit", unhealthy: "violated" }[status] ?? "unknown"}` }, STATUSES[status] ?? status);

/** @type {Record<string, string>} */
export const STATUSES = { healthy: "Healthy", unknown: "Unknown", degraded: "Degraded", unhealthy: "Unhealthy", unseen: "Not evaluated" };
/** @type {Record<string, string>} */
const NAMES = { healthy: "healthy", unknown: "unknown", degraded: "degraded", unhealthy: "unhealthy", unseen: "not evaluated" };
const ORDER = ["healthy", "degraded", "unhealthy", "unknown"];
const FEW = 8;
const MINUTE = 60_000;
