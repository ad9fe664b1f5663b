// Live counts of views over a WebSocket, open while the overview is visible. It costs the Worker nothing while
// the site has no visits.
import { readToken } from "./api.js";
import { draw, make } from "./dom.js";
import { count, plural, time } from "./format.js";

/** @typedef {import("./documents.js").LiveDelta} LiveDelta */

/** @type {{ site: string, bots: string } | null} */
let subscription = null;
/** Called once, with the first view. @type {(() => void) | null} */
let onFirstView = null;
/** @type {WebSocket | null} */
let socket = null;
let failures = 0;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let reconnectTimer;
/** Views by the second of their arrival. @type {{ since: number, total: number, seconds: Map<number, number> }} */
let received = { since: 0, total: 0, seconds: new Map() };

const counter = make("b", { "data-live-views": "" });
const label = make("span");
const bars = draw("svg", { class: "pulse", viewBox: "0 0 180 26", preserveAspectRatio: "none", role: "img" });
// Not announced by screen readers: the number changes each second.
const panel = make("div", { class: "feed", "aria-live": "off" }, make("p", null, counter, label), bars);

/**
 * Subscribes to a site; null unsubscribes.
 * @param {string | null} site @param {string} bots whether views of bots count, as in the address
 * @param {(() => void) | null} [first] called once, with the first view
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
  const opened = new WebSocket(`${location.origin.replace("http", "ws")}/api/live?site=${encodeURIComponent(subscription.site)}`, ["edge-vitals.live.v1", ...(token ? [`token.${hex}`] : [])]);
  socket = opened;
  opened.addEventListener("open", () => {
    failures = 0;
    if (received.total === 0) received.since = Date.now();
    render();
  });
  opened.addEventListener("message", ({ data }) => {
    if (data === "pong") isAlive = true;
    else receive(JSON.parse(data));
  });
  opened.addEventListener("close", () => {
    if (socket !== opened) return;
    socket = null;
    render();
    // Exponential backoff with jitter, so that clients do not reconnect all at once.
    failures += 1;
    reconnectTimer = setTimeout(connect, Math.min(60_000, 1000 * 2 ** Math.min(failures, 6)) * (0.5 + Math.random() / 2));
  });
}

let isAlive = true;

/** Closes a connection that did not answer the last ping; it reconnects. @param {WebSocket} opened */
function heartbeat(opened) {
  if (!isAlive) return opened.close();
  isAlive = false;
  opened.send("ping");
}

function disconnect() {
  clearTimeout(reconnectTimer);
  const open = socket;
  socket = null;
  isAlive = true;
  open?.close();
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
  // Animate while there are bars and the page is visible.
  clearTimeout(animationTimer);
  if (received.seconds.size > 0 && panel.isConnected && !document.hidden) animationTimer = setTimeout(render, 1000);
}

const WINDOW_SECONDS = 60;
