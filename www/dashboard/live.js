// Views as they come: one socket while somebody looks at the overview, and the counts that it tells.
// A page that is not looked at listens to nothing; the socket of one that is costs the Worker nothing
// while nobody visits.
import { readToken } from "./ask.js";
import { draw, make } from "./dom.js";
import { clock, count, plural } from "./words.js";

/** @typedef {import("./documents.js").LiveDelta} LiveDelta */

/** @type {{ site: string, bots: string } | null} */
let wanted = null;
/** What is done once, when anything is heard. @type {(() => void) | null} */
let awaited = null;
/** @type {WebSocket | null} */
let socket = null;
let failures = 0;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let later;
/** What was told, since when: of the second in which it came. @type {{ since: number, total: number, seconds: Map<number, number> }} */
let heard = { since: 0, total: 0, seconds: new Map() };

const number = make("b", { "data-live-views": "" });
const words = make("span");
const bars = draw("svg", { class: "pulse", viewBox: "0 0 180 26", preserveAspectRatio: "none", role: "img" });
// Numbers that change each second are read when somebody asks for them, and are not called out.
const panel = make("div", { class: "feed", "aria-live": "off" }, make("p", null, number, words), bars);

/**
 * From now on this site is listened to; none: nobody.
 * @param {string | null} site @param {string} bots whether programs' views count, as the address says it
 * @param {(() => void) | null} [first] what is done once, when the first view comes
 */
export function listen(site, bots, first = null) {
  awaited = first;
  if (site !== wanted?.site || bots !== wanted?.bots) {
    heard = { since: Date.now(), total: 0, seconds: new Map() };
    wanted = site === null ? null : { site, bots };
    hangUp();
  }
  connect();
}

/** Where the counts are shown. */
export function counts() {
  show();
  return panel;
}

document.addEventListener("visibilitychange", () => (document.hidden ? hangUp() : connect()));
addEventListener("pagehide", hangUp);
addEventListener("online", () => ((failures = 0), connect()));
setInterval(() => {
  if (socket?.readyState === WebSocket.OPEN) breathe(socket);
}, 30_000);

function connect() {
  if (!wanted || socket || document.hidden) return;
  clearTimeout(later);
  const token = readToken();
  const hex = [...new TextEncoder().encode(token ?? "")].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const own = new WebSocket(`${location.origin.replace("http", "ws")}/api/live?site=${encodeURIComponent(wanted.site)}`, ["edge-vitals.live.v1", ...(token ? [`token.${hex}`] : [])]);
  socket = own;
  own.addEventListener("open", () => {
    failures = 0;
    if (heard.total === 0) heard.since = Date.now();
    show();
  });
  own.addEventListener("message", ({ data }) => {
    if (data === "pong") alive = true;
    else take(JSON.parse(data));
  });
  own.addEventListener("close", () => {
    if (socket !== own) return;
    socket = null;
    show();
    // As many pages come again after a fault of the network: not all at once, and not for ever at one pace.
    failures += 1;
    later = setTimeout(connect, Math.min(60_000, 1000 * 2 ** Math.min(failures, 6)) * (0.5 + Math.random() / 2));
  });
}

let alive = true;

/** A connection that is gone without a word says nothing: it is asked, and was it silent, made anew. @param {WebSocket} own */
function breathe(own) {
  if (!alive) return own.close();
  alive = false;
  own.send("ping");
}

function hangUp() {
  clearTimeout(later);
  const own = socket;
  socket = null;
  alive = true;
  own?.close();
  show();
}

/** @param {LiveDelta} lately */
function take({ views, bots }) {
  const more = wanted?.bots === "only" ? bots : wanted?.bots === "include" ? views + bots : views;
  const second = Math.floor(Date.now() / 1000);
  heard.total += more;
  heard.seconds.set(second, (heard.seconds.get(second) ?? 0) + more);
  show();
  if (more > 0) {
    awaited?.();
    awaited = null;
  }
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let moving;

function show() {
  const isOn = socket?.readyState === WebSocket.OPEN;
  const now = Math.floor(Date.now() / 1000);
  for (const second of heard.seconds.keys()) if (second <= now - MINUTE) heard.seconds.delete(second);
  const lately = [...heard.seconds.values()].reduce((sum, each) => sum + each, 0);
  panel.dataset.live = isOn ? "on" : "off";
  number.textContent = isOn || heard.total ? count(heard.total) : "–";
  words.textContent = isOn
    ? ` live ${heard.total === 1 ? "view" : "views"} since ${clock(heard.since)}`
    : failures > 0
      ? " live: disconnected, retrying"
      : " live: connecting…";
  const most = Math.max(...heard.seconds.values(), 1);
  bars.setAttribute("aria-label", `${plural(lately, "view")} in the last minute`);
  bars.replaceChildren(
    ...[...heard.seconds].map(([second, views]) => {
      const tall = Math.max((views / most) * 25, 2);
      return draw("rect", { x: (MINUTE - 1 - (now - second)) * 3, y: 26 - tall, width: 2.2, height: tall });
    }),
  );
  // Bars move while there are any, and while somebody sees them.
  clearTimeout(moving);
  if (heard.seconds.size > 0 && panel.isConnected && !document.hidden) moving = setTimeout(show, 1000);
}

/** Seconds. */
const MINUTE = 60;
