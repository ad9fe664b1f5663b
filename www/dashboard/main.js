// The dashboard: reads the address, asks, and shows. What is shown stays until its successor is here;
// what goes wrong is said with what to do about it.
import { start, view as viewed } from "/v1/start.js";

import { VIEWS, link, read } from "./address.js";
import { Refused, Unreached, anew, holds, isSignedIn, keep, signOut } from "./ask.js";
import { budgets } from "./budgets.js";
import { cache } from "./cache.js";
import { compare } from "./compare.js";
import { element, make } from "./dom.js";
import { exports } from "./export.js";
import { filters } from "./filters.js";
import { firstSteps } from "./first.js";
import { health } from "./health.js";
import { listen } from "./live.js";
import { alone, loading } from "./marks.js";
import { overview } from "./overview.js";
import { route } from "./route.js";
import { routes } from "./routes.js";
import { moment, since } from "./words.js";

/** @typedef {import("./address.js").State} State @typedef {import("./overview.js").Shown} Shown */

// It measures itself, as a site of its own.
start({ endpoint: "/v1/vitals", site: "vitals-dashboard", route: `/${read(location.search).view}` });

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
addEventListener("offline", () => say("This device is offline; the numbers are as they were.", "stale"));
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
  chrome();
  const signal = anew(isFresh);
  content.setAttribute("aria-busy", "true");
  // What the page says from the start stays until there are numbers.
  if (!last && document.getElementById("opening")) content.querySelector(".cards") ?? content.append(loading());
  else if (!last || before !== state.view) content.replaceChildren(make("h1", { class: "unseen" }, "Reading the numbers…"), loading());
  try {
    const shown = await view();
    if (signal.aborted) return;
    last = { shown, at: Date.now() };
    lastAddress = address;
    document.title = `${shown.title} · ${shown.whole.site || "edge-vitals"}`;
    const { activeElement } = document;
    const isEmpty = state.view !== "cache" && state.view !== "health" && shown.whole.heard_at === undefined && shown.whole.views === 0;
    content.replaceChildren(...(isEmpty ? [firstSteps(shown.whole.site)] : shown.content));
    returnTo(activeElement);
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

/** @returns {Promise<Shown>} */
function view() {
  switch (state.view) {
    case "overview":
      return overview(state);
    case "routes":
      return routes(state, go);
    case "route":
      return route(state);
    case "budgets":
      return budgets(state);
    case "compare":
      return compare(state, go);
    case "cache":
      return cache(state, () => show(true));
    case "health":
      return health(state, () => show(true));
  }
}

/** What was made anew under the keyboard has it again. @param {Element | null} left */
function returnTo(left) {
  if (left?.id && !left.isConnected) document.getElementById(left.id)?.focus({ preventScroll: true });
}

/** What surrounds every view. */
function chrome() {
  const { activeElement } = document;
  const current = state.view === "route" ? "routes" : state.view;
  element("views").replaceChildren(...VIEWS.map(([name, word]) => make("a", { href: link(state, { view: name }), "aria-current": name === current ? "page" : null }, word)));
  const site = state.site ?? last?.shown.whole.site;
  element("tools").replaceChildren(
    site ? make("span", { class: "site", title: "The site" }, site) : "",
    make("span", { id: "fresh", class: "fresh" }),
    make("button", { type: "button", class: "plain", id: "again", title: "Read again", "aria-label": "Read again", onclick: () => show(true) }, "↻"),
    exports(() => last?.shown ?? null),
    make("button", { type: "button", class: "plain", id: "theme", title: "Light or dark", "aria-label": "Light or dark", onclick: turn }, "◐"),
    isSignedIn() ? make("button", { type: "button", class: "quiet-button", onclick: () => (signOut(), (last = null), show()) }, "Sign out") : "",
  );
  const isOfVisits = state.view !== "cache" && state.view !== "health";
  element("question").hidden = !isOfVisits;
  element("question").replaceChildren(isOfVisits ? filters(state, go) : "");
  returnTo(activeElement);
  freshness();
}

/** How old the numbers are: what was heard last, and when it was read. */
function freshness() {
  const place = document.getElementById("fresh");
  if (!place || !last) return;
  const { heard_at } = last.shown.whole;
  const age = Date.now() - last.at;
  place.replaceChildren(...(state.view === "cache" ? [] : heard_at === undefined ? ["nothing heard yet"] : [make("span", { class: "word" }, "heard "), since(heard_at)]));
  place.title = heard_at === undefined ? "" : `The last beacon came ${moment(heard_at)}`;
  place.classList.toggle("live", heard_at !== undefined && Date.now() - heard_at < 15 * MINUTE);
  if (age > 5 * MINUTE) say(`These numbers were read ${since(last.at)}.`, "stale");
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
  const again = make("button", { type: "button", onclick: () => show(true) }, "Try again");
  if (error instanceof Refused) listen(null, "");
  if (error instanceof Refused && error.status === 401) return content.replaceChildren(door());
  if (error instanceof Unreached || (error instanceof Refused && error.status >= 500)) {
    const words = !navigator.onLine ? "This device is offline." : error instanceof Unreached ? "The Worker does not answer." : "The Worker cannot answer now.";
    // Numbers that were read are better than none, if they are said to be old and are of this question.
    if (last && lastAddress === location.search) return say(`${words} The numbers are as they were ${since(last.at)}.`, "stale");
    return content.replaceChildren(alone(words, make("p", null, error instanceof Refused ? `It says: ${error.message}` : "The numbers come back with the connection."), again));
  }
  if (error instanceof Refused) {
    const help =
      error.status === 404
        ? make("p", null, "The sites are named in wrangler.toml. ", make("a", { href: "/" }, "Show the first one"), ".")
        : error.status === 400
          ? make("p", null, "The address asks what cannot be asked. ", make("a", { href: link(state, { only: new Map(), from: null, to: null, window: "24h" }) }, "Take the filters away"), ".")
          : again;
    return content.replaceChildren(alone("The question was refused", make("p", null, error.message), help));
  }
  console.error(error);
  content.replaceChildren(alone("The numbers cannot be shown", make("p", null, error instanceof Error ? error.message : String(error)), again));
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
    "These numbers are not public",
    make("p", null, holds("read") ? "The token was not accepted. " : "", "Give the read token of this deployment. It is kept in this tab alone."),
    make("form", { class: "door", onsubmit: enter }, make("label", { for: "token" }, "Read token"), token, make("button", { type: "submit", class: "primary" }, "Sign in")),
    make("p", { class: "quiet" }, "It is set with ", make("code", null, "npx wrangler secret put READ_TOKEN"), "."),
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
