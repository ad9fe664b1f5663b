// Views as they come: one socket while somebody looks at the overview, and the counts that it tells.
// A page that is not looked at listens to nothing; the socket of one that is costs the Worker nothing
// while nobody visits.
import { readToken } from "./api.js";
import { draw, make } from "./dom.js";
import { count, plural, time } from "./format.js";

/** @typedef {import("./documents.js").LiveDelta} LiveDelta */

/** @type {{ site: string, bots: string } | null} */
let subscription = null;
/** What is done once, when anything is heard. @type {(() => void) | null} */
let onFirstView = null;
/** @type {WebSocket | null} */
let socket = null;
let failures = 0;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let reconnectTimer;
/** What was told, since when: of the second in which it came. @type {{ since: number, total: number, seconds: Map<number, number> }} */
let received = { since: 0, total: 0, seconds: new Map() };

const counter = make("b", { "data-live-views": "" });
const label = make("span");
const bars = draw("svg", { class: "pulse", viewBox: "0 0 180 26", preserveAspectRatio: "none", role: "img" });
// Numbers that change each second are read when somebody asks for them, and are not called out.
const panel = make("div", { class: "feed", "aria-live": "off" }, make("p", null, counter, label), bars);

/**
 * From now on this site is listened to; none: nobody.
 * @param {string | null} site @param {string} bots whether programs' views count, as the address says it
 * @param {(() => void) | null} [first] what is done once, when the first view comes
 */
export function subscribe(site, bots, first = null) {
  onFirstView = first;
  if (site !== subscription?.site || bots !== subscription?.bots) {
    received = { since: Date.now(), total: 0, seconds: new Map() };
    subscription = site === null ? null : { site, bots };
    disconnect();
  }
  connect();
}

/** Where the counts are shown. */
export function livePanel() {
  render();
  return panel;
}

document.addEventListener("visibilitychange", () => (document.hidden ? disconnect() : connect()));
addEventListener("pagehide", disconnect);
addEventListener("online", () => ((failures = 0), connect()));
setInterval(() => {
  if (socket?.readyState === WebSocket.OPEN) heartbeat(socket);
}, 30_000);

function connect() {
  if (!subscription || socket || document.hidden) return;
  clearTimeout(reconnectTimer);
  const token = readToken();
  const hex = [...new TextEncoder().encode(token ?? "")].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const own = new WebSocket(`${location.origin.replace("http", "ws")}/api/live?site=${encodeURIComponent(subscription.site)}`, ["edge-vitals.live.v1", ...(token ? [`token.${hex}`] : [])]);
  socket = own;
  own.addEventListener("open", () => {
    failures = 0;
    if (received.total === 0) received.since = Date.now();
    render();
  });
  own.addEventListener("message", ({ data }) => {
    if (data === "pong") isAlive = true;
    else receive(JSON.parse(data));
  });
  own.addEventListener("close", () => {
    if (socket !== own) return;
    socket = null;
    render();
    // As many pages come again after a fault of the network: not all at once, and not for ever at one pace.
    failures += 1;
    reconnectTimer = setTimeout(connect, Math.min(60_000, 1000 * 2 ** Math.min(failures, 6)) * (0.5 + Math.random() / 2));
  });
}

let isAlive = true;

/** A connection that is gone without a word says nothing: it is asked, and was it silent, made anew. @param {WebSocket} own */
function heartbeat(own) {
  if (!isAlive) return own.close();
  isAlive = false;
  own.send("ping");
}

function disconnect() {
  clearTimeout(reconnectTimer);
  const own = socket;
  socket = null;
  isAlive = true;
  own?.close();
  render();
}

/** @param {LiveDelta} lately */
function receive({ views, bots }) {
  const more = subscription?.bots === "only" ? bots : subscription?.bots === "include" ? views + bots : views;
  const second = Math.floor(Date.now() / 1000);
  received.total += more;
  received.seconds.set(second, (received.seconds.get(second) ?? 0) + more);
  render();
  if (more > 0) {
    onFirstView?.();
    onFirstView = null;
  }
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let animationTimer;

function render() {
  const isOn = socket?.readyState === WebSocket.OPEN;
  const now = Math.floor(Date.now() / 1000);
  for (const second of received.seconds.keys()) if (second <= now - WINDOW_SECONDS) received.seconds.delete(second);
  const lately = [...received.seconds.values()].reduce((sum, each) => sum + each, 0);
  panel.dataset.live = isOn ? "on" : "off";
  counter.textContent = isOn || received.total ? count(received.total) : "–";
  label.textContent = isOn
    ? ` live ${received.total === 1 ? "view" : "views"} since ${time(received.since)}`
    : failures > 0
      ? " live: disconnected, retrying"
      : " live: connecting…";
  const most = Math.max(...received.seconds.values(), 1);
  bars.setAttribute("aria-label", `${plural(lately, "view")} in the last minute`);
  bars.replaceChildren(
    ...[...received.seconds].map(([second, views]) => {
      const tall = Math.max((views / most) * 25, 2);
      return draw("rect", { x: (WINDOW_SECONDS - 1 - (now - second)) * 3, y: 26 - tall, width: 2.2, height: tall });
    }),
  );
  // Bars move while there are any, and while somebody sees them.
  clearTimeout(animationTimer);
  if (received.seconds.size > 0 && panel.isConnected && !document.hidden) animationTimer = setTimeout(render, 1000);
}

/** Seconds. */
const WINDOW_SECONDS = 60;
