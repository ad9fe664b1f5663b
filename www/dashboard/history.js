// The status of a site over time, with gaps where it was not evaluated; and its incidents.
import { link } from "./address.js";
import { cell, numberCell, table } from "./components.js";
import { make } from "./dom.js";
import { SIGNAL_LABELS, count, dateTime, duration, monthDay, percent, plural, windowLabel } from "./format.js";

/**
 * @typedef {import("./address.js").State} State
 * @typedef {import("./documents.js").IncidentRecord} Incident
 * @typedef {import("./documents.js").HealthHistory} StatusHistory
 * @typedef {import("./documents.js").StatusPeriod} StatusRun
 */

/** Offered time ranges. */
export const HISTORY_WINDOWS = ["7d", "28d", "90d"];

/** @param {State} state @param {string} window @param {StatusHistory} history */
export function statusHistory(state, window, { from, to, statuses, spent, unseen }) {
  const whole = to - from;
  const bar = make("div", { class: "strip", role: "img", "aria-label": statusSummary(spent, unseen, whole) });
  for (const run of statuses) {
    const piece = make("i", { class: run.health, title: `${STATUS_LABELS[run.health]}, ${dateTime(run.from)} – ${dateTime(run.to)}` });
    piece.style.left = `${((run.from - from) / whole) * 100}%`;
    piece.style.width = `${((run.to - run.from) / whole) * 100}%`;
    bar.append(piece);
  }
  const shares = [...STATUS_ORDER.map((name) => /** @type {const} */ ([name, spent[name] ?? 0])), /** @type {const} */ (["unseen", unseen])];
  return make("section", { "aria-labelledby": "history", "data-history": window },
    make("header", { class: "row" },
      make("h2", { id: "history" }, "Status history"),
      make("nav", { class: "picker", "aria-label": "Time range" }, HISTORY_WINDOWS.map((name) => make("a", { href: link(state, { window: name }), "aria-current": name === window ? "true" : null }, windowLabel(name)))),
    ),
    make("div", { class: "figure" },
      bar,
      make("div", { class: "ticks quiet", "aria-hidden": "true" }, [0, 1, 2, 3].map((quarter) => make("span", null, monthDay(from + (whole * quarter) / 4))), make("span", null, "now")),
      make("p", { class: "legend" },
        shares.filter(([, millis]) => millis > 0).map(([name, millis]) => make("span", { class: `part ${name === "unseen" ? "gap" : name}`, "data-spent": name }, make("b", null, percent(millis / whole)), ` ${SHARE_LABELS[name]}`)),
      ),
    ),
    statusChanges(statuses, to),
  );
}

/** @param {Record<string, number>} spent @param {number} unseen @param {number} whole */
function statusSummary(spent, unseen, whole) {
  const parts = STATUS_ORDER.filter((name) => spent[name]).map((name) => `${percent((spent[name] ?? 0) / whole)} ${SHARE_LABELS[name]}`);
  if (unseen > 0) parts.push(`${percent(unseen / whole)} ${SHARE_LABELS.unseen}`);
  return `Status over time: ${parts.join(", ")}`;
}

/** Each status and each gap with its duration, the latest first. @param {StatusRun[]} statuses @param {number} to */
function statusChanges(statuses, to) {
  if (statuses.length === 0) return make("p", { class: "quiet" }, "No evaluations in this period. The cron trigger evaluates the site every 15 minutes; without it there is no history.");
  const ends = [...statuses.slice(1).map(({ from }) => from), to];
  const all = statuses.flatMap((run, index) => (ends[index] - run.to > MINUTE_MS ? [run, { from: run.to, to: ends[index], health: "unseen", score: null }] : [run])).reverse();
  const row = (/** @type {{ from: number, to: number, health: string, score: number | null }} */ { from, to, health, score }, /** @type {number} */ index) =>
    make("tr", { "data-status": health },
      cell(statusBadge(health)),
      make("th", { scope: "row" }, dateTime(from)),
      cell(index === 0 && health !== "unseen" ? "now" : dateTime(to)),
      numberCell(duration(to - from)),
      numberCell(score === null ? "–" : count(score)),
    );
  return expandable(all, MAX_SHOWN, (shown) => table("Status changes", [{ name: "Status" }, { name: "From" }, { name: "To" }, { name: "Duration", number: true }, { name: "Lowest score", number: true }], shown.map(row)));
}

/** @param {State} state @param {StatusHistory} history */
export function incidents(state, { to, incidents, more_incidents = 0 }) {
  const head = make("h2", { id: "incidents" }, "Incidents");
  if (!incidents) return make("section", { "aria-labelledby": "incidents" }, head, make("p", { class: "quiet" }, "Incidents require the read token."));
  const row = (/** @type {Incident} */ { key, signal, route, device, series, opened, level, says, told, acknowledged, ended }) =>
    make("tr", { "data-incident": key },
      make("th", { scope: "row" }, SIGNAL_LABELS[signal] ?? signal, make("small", { class: "quiet block" }, route ? make("a", { href: link(state, { view: "route", route }) }, route) : "the whole site", [device, series].filter(Boolean).map((part) => ` · ${part}`).join(""))),
      cell(make("span", { class: `verdict ${level === "critical" ? "violated" : "at-limit"}` }, level === "critical" ? "Critical" : "Warning")),
      make("td", { class: "words" }, says),
      cell([dateTime(opened), make("small", { class: "quiet" }, ended ? `${ended.lapsed ? "no longer evaluated since" : "ended"} ${dateTime(ended.at)}` : "ongoing")]),
      numberCell(duration((ended?.at ?? to) - opened)),
      make("td", { class: "words" }, Object.keys(told).length ? Object.entries(told).map(([channel, at]) => make("span", { class: "block", title: dateTime(at) }, channel)) : "nobody"),
      cell(acknowledged ? [acknowledged.by, make("small", { class: "quiet" }, dateTime(acknowledged.at))] : "nobody"),
    );
  const columns = [{ name: "Alert" }, { name: "Severity" }, { name: "Message" }, { name: "Start, end" }, { name: "Duration", number: true }, { name: "Notified" }, { name: "Acknowledged by" }];
  return make("section", { "aria-labelledby": "incidents" },
    head,
    incidents.length ? expandable(incidents, MAX_SHOWN, (shown) => table("Incidents, newest first", columns, shown.map(row))) : make("p", { class: "quiet" }, "No incidents in this period."),
    more_incidents > 0 && make("p", { class: "quiet" }, `and ${plural(more_incidents, "earlier incident")}`),
  );
}

/** The first items, and a button that shows all. @template T @param {T[]} all @param {number} first @param {(shown: T[]) => Node} show */
export function expandable(all, first, show) {
  const holder = make("div", null, show(all.slice(0, first)));
  if (all.length > first) holder.append(make("p", { class: "more" }, make("button", { type: "button", onclick: () => holder.replaceChildren(show(all)) }, `Show all ${count(all.length)}`)));
  return holder;
}

/** @param {string} status */
export const statusBadge = (status) => make("span", { class: `verdict ${{ healthy: "met", degraded: "at-limit", unhealthy: "violated" }[status] ?? "unknown"}` }, STATUS_LABELS[status] ?? status);

/** @type {Record<string, string>} */
export const STATUS_LABELS = { healthy: "Healthy", insufficient: "Insufficient data", unknown: "Unknown", degraded: "Degraded", unhealthy: "Unhealthy", unseen: "Not evaluated" };
/** @type {Record<string, string>} */
const SHARE_LABELS = { healthy: "healthy", insufficient: "insufficient data", unknown: "unknown", degraded: "degraded", unhealthy: "unhealthy", unseen: "not evaluated" };
const STATUS_ORDER = ["healthy", "degraded", "unhealthy", "insufficient", "unknown"];
const MAX_SHOWN = 8;
const MINUTE_MS = 60_000;
