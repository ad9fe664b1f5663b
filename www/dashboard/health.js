// Health: status and score, alerts, status history, incidents, recommendations, edge responses and queries. With
// a token also operations, and actions on alerts and dead letters.
import { apiQuery, link } from "./address.js";
import { recommendations } from "./advice.js";
import { ApiError, fetchJson, fetchStatusJson, hasToken, optional, optionalOrError, post } from "./api.js";
import { cell, fact, numberCell, table } from "./components.js";
import { confirmed, field, requestToken } from "./dialog.js";
import { draw, make } from "./dom.js";
import { SIGNAL_LABELS, ago, count, dateTime, metricValue, percent, plural, windowLabel } from "./format.js";
import { HISTORY_WINDOWS, STATUS_LABELS, incidents, statusBadge, statusHistory } from "./history.js";
import { siteQueries } from "./queries.js";

/**
 * @typedef {import("./address.js").State} State
 * @typedef {import("./documents.js").AlertView} Alert
 * @typedef {import("./documents.js").AlertReport} Alerts
 * @typedef {import("./documents.js").HealthReport} HealthReport
 * @typedef {Omit<import("./documents.js").RouteRequestLoad, "route">} RequestStats
 * @typedef {import("./documents.js").RequestReport} SiteRequestStats
 */

/** @param {State} state @param {() => void} reload @returns {Promise<import("./overview.js").ViewContent>} */
export async function health(state, reload) {
  const siteQuery = new URLSearchParams([...apiQuery(state)].filter(([name]) => name === "site"));
  const window = HISTORY_WINDOWS.includes(state.window) ? state.window : HISTORY_WINDOWS[0];
  const windowQuery = new URLSearchParams([...siteQuery, ["window", window]]);
  const [report, alerts, history, advice, queries] = await Promise.all([
    /** @type {Promise<HealthReport>} */ (fetchStatusJson("/api/health/advanced", siteQuery)),
    /** @type {Promise<Alerts | null>} */ (optional(fetchStatusJson("/api/alerts", siteQuery))),
    optionalOrError(/** @type {Promise<import("./documents.js").HealthHistory>} */ (fetchJson("/api/health/history", windowQuery))),
    optionalOrError(/** @type {Promise<{ recommendations: import("./documents.js").Advice[] }>} */ (fetchJson("/api/performance/recommendations", windowQuery))),
    optionalOrError(/** @type {Promise<import("./documents.js").QueryReport>} */ (fetchJson("/api/performance/queries", windowQuery))),
  ]);
  const act = actions(siteQuery, reload);
  const span = windowLabel(window).replace("Last", "in the last");
  return {
    title: "Health",
    totals: { site: report.site, heard_at: report.details?.heard_at ?? undefined, views: 1 },
    content: /** @type {Node[]} */ ([
      make("h1", null, "Health"),
      statusSection(report),
      alertsSection(state, alerts, act, reload),
      ...optionalSection("Status history", history, (past) => [statusHistory(state, window, past), incidents(state, past)]),
      ...optionalSection("Recommendations", advice, ({ recommendations: advice }) => [recommendations(state, window, advice, span)]),
      report.details?.requests && requestsSection(report.details.requests),
      ...optionalSection("Origin queries", queries, (ran) => [siteQueries(ran, span)]),
      operationsSection(report, act),
    ].filter(Boolean)),
    exportData: {
      name: "health",
      columns: ["part", "status", "points", "of", "because"],
      rows: report.parts.map(({ name, status, points, of }) => [name, status, points, of, report.details?.because[name] ?? null]),
      document: { health: report, alerts, history: history, recommendations: advice, queries: queries },
    },
  };
}

/**
 * A section of an optional document: nothing if it is not permitted, and a message if it failed.
 * @template T @param {string} title @param {T | ApiError | null} known @param {(known: T) => Node[]} show @returns {Node[]}
 */
function optionalSection(title, known, show) {
  if (known === null) return [];
  if (!(known instanceof ApiError)) return show(known);
  return [make("section", null, make("h2", null, title), make("p", { class: "warning" }, make("b", null, "Loading failed: "), known.message))];
}

/** Actions, each of which requests its token if needed and refreshes the view. @param {URLSearchParams} siteQuery @param {() => void} reload */
function actions(siteQuery, reload) {
  const doing = async (/** @type {string} */ path, /** @type {unknown} */ body) => {
    if (!hasToken("manage") && !(await requestToken("manage"))) return;
    try {
      await post(path, siteQuery, body, "manage");
    } catch (error) {
      const isClosed = /** @type {any} */ (error).status === 401;
      if (isClosed && (await requestToken("manage", "The current token does not permit this action."))) return doing(path, body);
      if (!isClosed) await confirmed("The action failed", "Close", make("p", null, /** @type {Error} */ (error).message));
      return;
    }
    reload();
  };
  return {
    acknowledge: async (/** @type {Alert} */ alert) => {
      const by = field("by", "Your name", { maxlength: 100, value: localStorage.getItem("name") ?? "" });
      if (!(await confirmed("Acknowledge this alert", "Acknowledge", make("p", null, alert.says), make("p", { class: "quiet" }, "No further reminders are sent until it gets worse."), by.row))) return;
      localStorage.setItem("name", by.input.value);
      await doing("/api/alerts/ack", { key: alert.key, by: by.input.value });
    },
    silence: async (/** @type {Alert | null} */ alert) => {
      const by = field("by", "Your name", { maxlength: 100, value: localStorage.getItem("name") ?? "" });
      const reason = field("reason", "Reason", { maxlength: 200, placeholder: "database maintenance" });
      const minutes = field("minutes", "Duration in minutes", { type: "number", min: 1, max: 43_200, value: 60 });
      const what = alert ? `${SIGNAL_LABELS[alert.signal] ?? alert.signal}${alert.route ? ` on ${alert.route}` : " on every route"}` : "All alerts";
      if (!(await confirmed("Silence", "Silence", make("p", null, make("b", null, what), ": no notifications for this time. Recoveries are still announced."), minutes.row, reason.row, by.row))) return;
      localStorage.setItem("name", by.input.value);
      await doing("/api/alerts/silence", { signal: alert?.signal ?? null, route: alert?.route ?? null, minutes: minutes.input.valueAsNumber, by: by.input.value, reason: reason.input.value });
    },
    unsilence: (/** @type {number} */ number) => doing("/api/alerts/unsilence", { number }),
    retry: async (/** @type {string} */ sink, /** @type {number} */ parked) => {
      if (await confirmed("Resend", "Resend", make("p", null, `${plural(parked, "document")} rejected by ${sink} ${parked === 1 ? "is" : "are"} sent again, each with its original key.`))) await doing("/api/push/retry", { sink });
    },
  };
}

/** @typedef {ReturnType<typeof actions>} Actions */

/** @param {HealthReport} bulletin */
function statusSection({ health, score, parts, details, releaseId, at }) {
  const around = 2 * Math.PI * 26;
  const kind = { healthy: "good", insufficient: "insufficient", unknown: "insufficient", degraded: "between", unhealthy: "poor" }[health] ?? "insufficient";
  return make("section", { class: "panel standing", "aria-labelledby": "standing", "data-health": health },
    make("div", { class: `score ${kind}` },
      draw("svg", { viewBox: "0 0 64 64", "aria-hidden": "true" },
        draw("circle", { class: "track", cx: 32, cy: 32, r: 26 }),
        draw("circle", { class: "arc", cx: 32, cy: 32, r: 26, "stroke-dasharray": `${(around * score) / 100} ${around}`, transform: "rotate(-90 32 32)" }),
        draw("text", { x: 32, y: 39, "text-anchor": "middle" }, String(score)),
      ),
      make("h2", { id: "standing" }, make("span", null, STATUS_LABELS[health] ?? health), make("small", { class: "quiet" }, `${score} of 100, evaluated ${ago(at)}; version ${releaseId}`)),
    ),
    details?.reasons.length ? make("ul", { class: "reasons" }, details.reasons.map((reason) => make("li", null, reason))) : details ? make("p", { class: "quiet" }, "No problems detected.") : null,
    table("Score by part", [{ name: "Part" }, { name: "Status" }, { name: "Points", number: true }, { name: "Reason" }],
      parts.map(({ name, points, of, status }) =>
        make("tr", { "data-part": name },
          make("th", { scope: "row" }, PART_LABELS[name] ?? name),
          cell(statusBadge(status)),
          numberCell(`${points} of ${of}`),
          make("td", { class: "words wide" }, details?.because[name] ?? "requires the read token"),
        ),
      ),
    ),
  );
}

/** @param {State} state @param {Alerts | null} alerts @param {Actions} act @param {() => void} reload */
function alertsSection(state, alerts, act, reload) {
  const head = make("header", { class: "row" },
    make("h2", { id: "alerts" }, "Alerts"),
    alerts && make("button", { type: "button", id: "silence-all", onclick: () => act.silence(null) }, "Silence all …"),
  );
  if (!alerts) {
    return make("section", { "aria-labelledby": "alerts" }, head, make("p", { class: "quiet" }, "Alerts require the read token."), make("button", { type: "button", id: "unlock", onclick: () => requestToken("read").then((is) => is && reload()) }, "Sign in with a read token"));
  }
  // A list, not a table: the buttons must be in sight on a phone.
  const rows = alerts.raised.map((alert, index) =>
    make("li", { "data-alert": alert.key, class: alert.muted ? "panel pale" : "panel" },
      make("header", { class: "row" },
        make("h3", null, SIGNAL_LABELS[alert.signal] ?? alert.signal, make("small", { class: "quiet block" }, [alert.route, alert.device, alert.series].filter(Boolean).join(" · ") || "the whole site")),
        make("span", { class: `verdict ${alert.level === "critical" ? "violated" : "at-limit"}` }, alert.level === "critical" ? "Critical" : "Warning"),
      ),
      make("p", null, alert.says),
      make("p", { class: "quiet" }, alert.action),
      make("footer", { class: "row" },
        make("span", { class: "quiet" }, `since ${dateTime(alert.since)}`, alert.acknowledged ? `; acknowledged by ${alert.acknowledged.by}` : "", alert.muted ? "; silenced" : ""),
        make("span", { class: "acts" },
          alert.route ? make("a", { href: link(state, { view: "route", route: alert.route }) }, "View route") : null,
          alert.acknowledged ? null : make("button", { type: "button", id: `ack-${index}`, onclick: () => act.acknowledge(alert) }, "Acknowledge"),
          make("button", { type: "button", id: `silence-${index}`, onclick: () => act.silence(alert) }, "Silence …"),
        ),
      ),
    ),
  );
  return make("section", { "aria-labelledby": "alerts" }, head,
    rows.length
      ? make("ul", { class: "alerts" }, rows)
      : make("p", { class: "quiet" }, "No open alerts."),
    alerts.mutes.length > 0 && make("ul", { class: "mutes" },
      alerts.mutes.map((mute) =>
        make("li", { "data-mute": mute.number },
          make("span", null, make("b", null, mute.signal ? (SIGNAL_LABELS[mute.signal] ?? mute.signal) : "All alerts"), mute.route ? ` on ${mute.route}` : "", ` silenced until ${dateTime(mute.until)}: ${mute.reason} (${mute.by})`),
          make("button", { type: "button", id: `unsilence-${mute.number}`, onclick: () => act.unsilence(mute.number) }, "Remove silence"),
        ),
      ),
    ),
    alerts.channels.filter(({ trouble }) => trouble).map(({ name, trouble }) => make("p", { class: "warning" }, make("b", null, `Notifications to ${name} fail: `), trouble)),
  );
}

/** @param {SiteRequestStats} requests */
function requestsSection(requests) {
  const columns = [{ name: "Route" }, { name: "Responses", number: true }, { name: "Per second", number: true }, { name: "Errors", number: true }, { name: "Median", number: true }, { name: "p95", number: true }, { name: "p99", number: true }];
  const row = (/** @type {string} */ name, /** @type {RequestStats} */ load) =>
    make("tr", { "data-load": name },
      make("th", { scope: "row" }, name),
      numberCell(count(load.n)),
      numberCell(metricValue(load.per_second, "")),
      numberCell(load.errors ? percent(load.error_rate / 100) : "none"),
      ...[load.p50, load.p95, load.p99].map((time) => numberCell(metricValue(time, "ms"))),
    );
  return make("section", { "aria-labelledby": "requests" },
    make("h2", { id: "requests" }, "Edge responses ", make("small", { class: "quiet" }, "in the last hour")),
    table("Edge responses by route", columns, [row("All", requests), ...requests.routes.slice(0, 20).map((each) => row(each.route, each))]),
  );
}

/** @param {HealthReport} bulletin @param {Actions} act */
function operationsSection({ operations, details }, act) {
  if (!operations) return null;
  const { memory, queues, push, origin } = operations;
  const uptime = details?.uptime;
  const rows = push.map((backend) =>
    make("tr", { "data-backend": backend.name },
      make("th", { scope: "row" }, backend.name),
      cell(make("span", { class: `verdict ${backend.circuit === "closed" ? "met" : "at-limit"}` }, CIRCUIT_LABELS[backend.circuit] ?? backend.circuit)),
      numberCell(count(backend.waiting)),
      cell(backend.oldest === undefined ? "–" : ago(backend.oldest)),
      cell(backend.last ? ago(backend.last.at) : "never"),
      make("td", { class: "words" }, backend.trouble ?? ""),
      cell(backend.parked.length ? make("button", { type: "button", id: `retry-${backend.name}`, onclick: () => act.retry(backend.name, backend.parked.length) }, `Resend ${count(backend.parked.length)} …`) : "none"),
    ),
  );
  return make("section", { "aria-labelledby": "operations" },
    make("h2", { id: "operations" }, "Operations"),
    make("dl", { class: "facts panel" },
      fact("WebAssembly memory", percent(memory.percent / 100), `of ${count(memory.limit / 1_048_576)} MiB`),
      fact("Not aggregated yet", count(queues.journal), "views on the first shard"),
      fact("Push queue", count(queues.push), queues.parked ? plural(queues.parked, "dead letter") : "no dead letters"),
      fact("Notifications", count(queues.notices), "not delivered yet"),
      uptime && uptime.percent !== null && uptime.percent !== undefined ? fact("Uptime in 30 days", `${uptime.percent.toFixed(2)} %`, uptime.budget_left === null || uptime.budget_left === undefined ? "" : `target ${uptime.target} %, ${count(Math.round(uptime.budget_left))} % of the error budget left`) : null,
      ...(details?.origins ?? []).map((each) => fact(`Origin ${each.name}`, ORIGIN_LABELS[each.state] ?? each.state, `${count(each.unreachable + each.server_errors)} of the latest ${plural(each.requests, "request")} failed`)),
      origin ? fact("Origin's health check", origin.is_up ? "up" : "down", `${metricValue(origin.took, "ms")}, ${ago(origin.asked_at)}`) : null,
    ),
    rows.length
      ? table("Push backends", [{ name: "Backend" }, { name: "Circuit" }, { name: "Waiting", number: true }, { name: "Oldest" }, { name: "Last delivery" }, { name: "Last error" }, { name: "Dead letters" }], rows)
      : make("p", { class: "quiet" }, "No push backend is configured. Set ", make("code", null, "BACKEND_HEALTH_URL"), " to add one."),
  );
}

/** @type {Record<string, string>} */
const ORIGIN_LABELS = { up: "up", degraded: "degraded", down: "down", unclear: "unclear", insufficient: "too few requests" };
/** @type {Record<string, string>} */
const CIRCUIT_LABELS = { closed: "Sending", open: "Paused", probing: "Retrying" };
/** @type {Record<string, string>} */
const PART_LABELS = { vitals: "Web Vitals", freshness: "Freshness", requests: "Requests", cache: "Cache", origin: "Origin" };
