// The dashboard: reads the address, asks, and shows. What is shown stays until its successor is here;
// what goes wrong is said with what to do about it.
import { start, view as viewed } from "/v1/start.js";

import { VIEWS, isOfVisits, link, read } from "./address.js";
import { Refused, Unreached, anew, holds, isSignedIn, keep, signOut } from "./ask.js";
import { element, make } from "./dom.js";
import { exports } from "./export.js";
import { filters } from "./filters.js";
import { firstSteps } from "./first.js";
import { listen } from "./live.js";
import { alone, loading } from "./marks.js";
import { frame, pause } from "./pauses.js";
import { moment, since } from "./words.js";

/** @typedef {import("./address.js").State} State @typedef {import("./overview.js").Shown} Shown */

// It measures itself, as a site of its own; what was before it began, the browser tells.
pause().then(() => start({ endpoint: "/v1/vitals", site: "vitals-dashboard", route: `/${read(location.search).view}` }));

const content = element("content");
const notice = element("notice");
let state = read(location.search);
/** @type {{ shown: Shown, at: number } | null} */
let last = null;
let touched = Date.now();

addEventListener("popstate", () => show());
document.addEventListener("click", (event) => {
  const anchor = event.target instanceof Element ? event.target.closest("a") : null;
  const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  if (!anchor || !plain || anchor.origin !== location.origin || anchor.pathname !== "/" || anchor.hash || anchor.target) return;
  event.preventDefault();
  history.pushState(null, "", anchor.href);
  scrollTo(0, 0);
  show().then(() => content.focus({ preventScroll: true }));
});
for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, () => (touched = Date.now()), { passive: true });
addEventListener("online", () => show(true));
addEventListener("offline", () => say("This device is offline. Showing the last data.", "stale"));
document.addEventListener("visibilitychange", () => {
  // Who comes back from a first visit finds it here.
  const isAwaited = last?.shown.whole.heard_at === undefined;
  if (!document.hidden && last && (isAwaited || Date.now() - last.at > MINUTE)) show(true);
});
// A page that nobody looks at asks for nothing, so that it keeps no storage awake.
setInterval(() => {
  if (!document.hidden && Date.now() - touched < 10 * MINUTE && !isInUse()) show(true);
  else freshness();
}, 60_000);
// Nothing is taken from under somebody's hands.
const isInUse = () => document.querySelector("dialog[open], details[open], #question :focus, #content :focus") !== null;
const MINUTE = 60_000;

theme(localStorage.getItem("theme"));
show();

/** @param {Partial<State>} change */
function go(change) {
  history.pushState(null, "", link(state, change));
  return show();
}

/** @param {boolean} [isFresh] */
async function show(isFresh = false) {
  const address = location.search;
  const before = last && read(lastAddress).view;
  state = read(address);
  if (before && before !== state.view) viewed(`/${state.view}`);
  const signal = anew(isFresh);
  content.setAttribute("aria-busy", "true");
  // What the page says from the start stays until there are numbers.
  const isNew = !last || before !== state.view;
  if (isNew && document.getElementById("opening")) content.querySelector(".cards") ?? content.append(loading());
  else if (isNew) content.replaceChildren(make("h1", { class: "unseen" }, "Loading…"), loading());
  try {
    // What surrounds the numbers is made while they are on their way.
    const coming = view();
    coming.catch(() => {});
    await pause();
    if (signal.aborted) return;
    chrome();
    const shown = await coming;
    if (signal.aborted) return;
    last = { shown, at: Date.now() };
    lastAddress = address;
    document.title = `${shown.title} · ${shown.whole.site || "edge-vitals"}`;
    const isEmpty = isOfVisits(state.view) && shown.whole.heard_at === undefined && shown.whole.views === 0;
    await (isNew ? unfold : exchange)(isEmpty ? [firstSteps(shown.whole.site)] : shown.content, signal);
    if (signal.aborted) return;
    if (shown.whole.site && !state.site) state.site = shown.whole.site;
    listen(isEmpty || state.view === "overview" ? shown.whole.site : null, state.bots, isEmpty ? () => show(true) : null);
    chrome();
    freshness();
  } catch (error) {
    if (signal.aborted) return;
    failed(error);
  } finally {
    if (!signal.aborted) content.removeAttribute("aria-busy");
  }
}
let lastAddress = "";

/** @typedef {Shown["content"][number]} Piece @param {Piece} piece */
const built = async (piece) => {
  const made = typeof piece === "function" ? await piece() : piece;
  return made ? [made] : [];
};

/** A view that was not here before comes from the top on, a piece a frame. @param {Piece[]} pieces @param {AbortSignal} signal */
async function unfold([first, ...rest], signal) {
  const { activeElement } = document;
  content.replaceChildren(...(await built(first)));
  for (const piece of rest) {
    if (typeof piece === "function") await frame();
    if (signal.aborted) return;
    content.append(...(await built(piece)));
  }
  returnTo(activeElement);
}

/** What is read anew takes the place of the old at once, so that nothing moves under the reader's eyes. @param {Piece[]} pieces @param {AbortSignal} signal */
async function exchange(pieces, signal) {
  const ready = [];
  for (const piece of pieces) {
    ready.push(...(await built(piece)));
    if (typeof piece === "function") await pause();
    if (signal.aborted) return;
  }
  const { activeElement } = document;
  content.replaceChildren(...ready);
  returnTo(activeElement);
}

/** Each view comes when it is looked at: none waits for another's charts. @returns {Promise<Shown>} */
async function view() {
  switch (state.view) {
    case "overview":
      return (await part(import("./overview.js"))).overview(state);
    case "routes":
      return (await part(import("./routes.js"))).routes(state, go);
    case "route":
      return (await part(import("./route.js"))).route(state);
    case "budgets":
      return (await part(import("./budgets.js"))).budgets(state);
    case "compare":
      return (await part(import("./compare.js"))).compare(state, go);
    case "cache":
      return (await part(import("./cache.js"))).cache(state, () => show(true));
    case "health":
      return (await part(import("./health.js"))).health(state, () => show(true));
  }
}

/** A part of the dashboard did not come: the network is away, or a newer deployment has another one. */
class Absent extends Unreached {}

/** @template T @param {Promise<T>} coming @returns {Promise<T>} */
async function part(coming) {
  try {
    return await coming;
  } catch {
    throw new Absent("Part of the dashboard failed to load.");
  }
}

/** What was made anew under the keyboard has it again. @param {Element | null} left */
function returnTo(left) {
  if (left?.id && !left.isConnected) document.getElementById(left.id)?.focus({ preventScroll: true });
}

/** What surrounds every view, made anew when anything of it is another. */
function chrome() {
  const site = state.site ?? last?.shown.whole.site;
  const says = [link(state), site, isSignedIn()].join(" ");
  if (says === surrounds) return freshness();
  surrounds = says;
  const { activeElement } = document;
  const current = state.view === "route" ? "routes" : state.view;
  element("views").replaceChildren(...VIEWS.map(([name, word]) => make("a", { href: link(state, { view: name }), "aria-current": name === current ? "page" : null }, word)));
  element("tools").replaceChildren(
    site ? make("span", { class: "site", title: "Site" }, site) : "",
    make("span", { id: "fresh", class: "fresh" }),
    make("button", { type: "button", class: "plain", id: "again", title: "Refresh", "aria-label": "Refresh", onclick: () => show(true) }, "↻"),
    exports(() => last?.shown ?? null),
    make("button", { type: "button", class: "plain", id: "theme", title: "Switch theme", "aria-label": "Switch theme", onclick: turn }, "◐"),
    isSignedIn() ? make("button", { type: "button", class: "quiet-button", onclick: () => (signOut(), (last = null), show()) }, "Sign out") : "",
  );
  // Its place stays, so that no view begins higher than another.
  element("question").inert = !isOfVisits(state.view);
  element("question").replaceChildren(isOfVisits(state.view) ? filters(state, go) : "");
  returnTo(activeElement);
  freshness();
}
let surrounds = "";

/** How old the numbers are: what was heard last, and when it was read. */
function freshness() {
  const place = document.getElementById("fresh");
  if (!place || !last) return;
  const { heard_at } = last.shown.whole;
  const age = Date.now() - last.at;
  place.replaceChildren(...(state.view === "cache" ? [] : heard_at === undefined ? ["no beacons yet"] : [make("span", { class: "word" }, "last beacon "), since(heard_at)]));
  place.title = heard_at === undefined ? "" : `Last beacon: ${moment(heard_at)}`;
  place.classList.toggle("live", heard_at !== undefined && Date.now() - heard_at < 15 * MINUTE);
  if (age > 5 * MINUTE) say(`Last updated ${since(last.at)}.`, "stale");
  else if (navigator.onLine) say("");
}

/** @param {string} text @param {string} [kind] */
function say(text, kind = "") {
  if (notice.textContent === text) return;
  notice.textContent = text;
  notice.className = kind;
  notice.hidden = text === "";
}

/** @param {unknown} error */
function failed(error) {
  const again = make("button", { type: "button", onclick: () => (error instanceof Absent ? location.reload() : show(true)) }, "Try again");
  if (error instanceof Refused) listen(null, "");
  if (error instanceof Refused && error.status === 401) return content.replaceChildren(door());
  if (error instanceof Unreached || (error instanceof Refused && error.status >= 500)) {
    const words = !navigator.onLine ? "This device is offline." : error instanceof Absent ? "Part of the dashboard failed to load." : error instanceof Unreached ? "The Worker is unreachable." : "The Worker returned an error.";
    // Numbers that were read are better than none, if they are said to be old and are of this question.
    if (last && lastAddress === location.search) return say(`${words} Showing data from ${since(last.at)}.`, "stale");
    return content.replaceChildren(alone(words, make("p", null, error instanceof Refused ? `Reason: ${error.message}` : "The data loads again when the connection returns."), again));
  }
  if (error instanceof Refused) {
    const help =
      error.status === 404
        ? make("p", null, "Sites are configured in wrangler.toml. ", make("a", { href: "/" }, "Show the first site"), ".")
        : error.status === 400
          ? make("p", null, "The address contains an invalid parameter. ", make("a", { href: link(state, { only: new Map(), from: null, to: null, window: "24h" }) }, "Remove all filters"), ".")
          : again;
    return content.replaceChildren(alone("The Worker rejected the request", make("p", null, error.message), help));
  }
  console.error(error);
  content.replaceChildren(alone("The data cannot be shown", make("p", null, error instanceof Error ? error.message : String(error)), again));
}

/** Where the numbers are not public. */
function door() {
  const token = make("input", { id: "token", type: "password", autocomplete: "current-password", required: true });
  const enter = (/** @type {Event} */ event) => {
    event.preventDefault();
    keep("read", token.value.trim());
    last = null;
    show();
  };
  return alone(
    "Sign in with a read token",
    make("p", null, holds("read") ? "Invalid token. " : "", "The data of this site is not public. The token is kept in this tab only."),
    make("form", { class: "door", onsubmit: enter }, make("label", { for: "token" }, "Read token"), token, make("button", { type: "submit", class: "primary" }, "Sign in")),
    make("p", { class: "quiet" }, "Set the token with ", make("code", null, "npx wrangler secret put READ_TOKEN"), "."),
  );
}

function turn() {
  const dark = getComputedStyle(document.documentElement).colorScheme === "dark" || (!document.documentElement.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
  localStorage.setItem("theme", dark ? "light" : "dark");
  theme(dark ? "light" : "dark");
  // Charts are painted in the colours of the moment.
  show();
}

/** @param {string | null} name */
function theme(name) {
  if (name === "light" || name === "dark") document.documentElement.dataset.theme = name;
}
