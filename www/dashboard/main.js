// The dashboard: parses the address, loads the view, and shows it. Content stays until its successor is loaded;
// an error states its remedy.
import { start, view as startView } from "/v1/start.js";

import { VIEWS, hasFilters, link, parseState } from "./address.js";
import { ApiError, NetworkError, beginRequests, hasToken, incompleteShards, isSignedIn, signOut, storeToken } from "./api.js";
import { loadingCards, pageMessage } from "./components.js";
import { element, make } from "./dom.js";
import { exportMenu } from "./export.js";
import { filters } from "./filters.js";
import { ago, dateTime } from "./format.js";
import { nextFrame, yieldToInput } from "./scheduling.js";

/** @typedef {import("./address.js").State} State @typedef {import("./overview.js").ViewContent} Shown */

// The dashboard measures itself; buffered entries cover the time before this script.
yieldToInput().then(() => start({ endpoint: "/v1/vitals", site: "vitals-dashboard", route: `/${parseState(location.search).view}` }));

const content = element("content");
const notice = element("notice");
let state = parseState(location.search);
/** @type {{ shown: Shown, at: number, shards: import("./documents.js").ShardCoverage | undefined } | null} */
let last = null;
let lastInput = Date.now();

addEventListener("popstate", () => render());
document.addEventListener("click", (event) => {
  const anchor = event.target instanceof Element ? event.target.closest("a") : null;
  const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  if (!anchor || !plain || anchor.origin !== location.origin || anchor.pathname !== "/" || anchor.hash || anchor.target) return;
  event.preventDefault();
  history.pushState(null, "", anchor.href);
  scrollTo(0, 0);
  render().then(() => content.focus({ preventScroll: true }));
});
for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, () => (lastInput = Date.now()), { passive: true });
addEventListener("online", () => render(true));
addEventListener("offline", () => showNotice("This device is offline. Showing the last data.", "stale"));
document.addEventListener("visibilitychange", () => {
  // A reader who returns from the first visit to the site sees it at once.
  const isAwaited = last?.shown.totals.heard_at === undefined;
  if (!document.hidden && last && (isAwaited || Date.now() - last.at > MINUTE)) render(true);
});
// A hidden or unused page sends no requests, so that it keeps no object awake.
setInterval(() => {
  if (!document.hidden && Date.now() - lastInput < 10 * MINUTE && !isInUse()) render(true);
  else renderAge();
}, 60_000);
// No refresh while the reader uses the content.
const isInUse = () => document.querySelector("dialog[open], details[open], #question :focus, #content :focus") !== null;
const MINUTE = 60_000;

applyTheme(localStorage.getItem("theme"));
render();

/** @param {Partial<State>} change */
function navigate(change) {
  history.pushState(null, "", link(state, change));
  return render();
}

/** @param {boolean} [isFresh] */
async function render(isFresh = false) {
  const address = location.search;
  const before = last && parseState(lastAddress).view;
  state = parseState(address);
  if (before && before !== state.view) startView(`/${state.view}`);
  const signal = beginRequests(isFresh);
  content.setAttribute("aria-busy", "true");
  // The static introduction stays until there is data.
  const isNew = !last || before !== state.view;
  if (isNew && document.getElementById("opening")) content.querySelector(".cards") ?? content.append(loadingCards());
  else if (isNew) content.replaceChildren(make("h1", { class: "unseen" }, "Loading…"), loadingCards());
  try {
    // The header is rendered while the data loads.
    const coming = loadView();
    coming.catch(() => {});
    await yieldToInput();
    if (signal.aborted) return;
    renderHeader();
    const shown = await coming;
    if (signal.aborted) return;
    last = { shown, at: Date.now(), shards: incompleteShards() };
    lastAddress = address;
    document.title = `${shown.title} · ${shown.totals.site || "edge-vitals"}`;
    const isEmpty = hasFilters(state.view) && shown.totals.heard_at === undefined && shown.totals.views === 0;
    await (isNew ? appendContent : replaceContent)(isEmpty ? await (await import("./empty_state.js")).emptyState(shown.totals.site) : shown.content, signal);
    if (signal.aborted) return;
    if (shown.totals.site && !state.site) state.site = shown.totals.site;
    void follow(isEmpty || state.view === "overview" ? shown.totals.site : null, state.bots, isEmpty ? () => render(true) : null);
    renderHeader();
    renderAge();
  } catch (error) {
    if (signal.aborted) return;
    showError(error);
  } finally {
    if (!signal.aborted) content.removeAttribute("aria-busy");
  }
}
let lastAddress = "";

/** The live feed, once a view has followed it. @type {typeof import("./live.js") | undefined} */
let live;

/**
 * Follows the live feed of a site; null leaves it.
 * @param {string | null} site @param {string} bots @param {(() => void) | null} [first] called once, with the first view
 */
async function follow(site, bots, first = null) {
  if (site === null && !live) return;
  live = await import("./live.js");
  live.subscribe(site, bots, first);
}

/** @typedef {Shown["content"][number]} Piece @param {Piece} piece */
const buildPiece = async (piece) => {
  const made = typeof piece === "function" ? await piece() : piece;
  return made ? [made] : [];
};

/** Shows a new view from the top, one piece per frame. @param {Piece[]} pieces @param {AbortSignal} signal */
async function appendContent([first, ...rest], signal) {
  const { activeElement } = document;
  content.replaceChildren(...(await buildPiece(first)));
  for (const piece of rest) {
    if (typeof piece === "function") await nextFrame();
    if (signal.aborted) return;
    content.append(...(await buildPiece(piece)));
  }
  restoreFocus(activeElement);
}

/** Replaces refreshed content at once, so that nothing moves while it is read. @param {Piece[]} pieces @param {AbortSignal} signal */
async function replaceContent(pieces, signal) {
  const ready = [];
  for (const piece of pieces) {
    ready.push(...(await buildPiece(piece)));
    if (typeof piece === "function") await yieldToInput();
    if (signal.aborted) return;
  }
  const { activeElement } = document;
  content.replaceChildren(...ready);
  restoreFocus(activeElement);
}

/** Imports the view on demand. @returns {Promise<Shown>} */
async function loadView() {
  switch (state.view) {
    case "overview":
      return (await importView(import("./overview.js"))).overview(state);
    case "routes":
      return (await importView(import("./routes.js"))).routes(state, navigate);
    case "route":
      return (await importView(import("./route.js"))).route(state);
    case "budgets":
      return (await importView(import("./budgets.js"))).budgets(state);
    case "compare":
      return (await importView(import("./compare.js"))).compare(state, navigate);
    case "cache":
      return (await importView(import("./cache.js"))).cache(state, () => render(true));
    case "health":
      return (await importView(import("./health.js"))).health(state, () => render(true));
  }
}

/** A module failed to load: the network is down, or a newer deployment has replaced it. */
class ImportError extends NetworkError {}

/** @template T @param {Promise<T>} coming @returns {Promise<T>} */
async function importView(coming) {
  try {
    return await coming;
  } catch {
    throw new ImportError("Part of the dashboard failed to load.");
  }
}

/** Returns the focus to an element that was rendered again. @param {Element | null} left */
function restoreFocus(left) {
  if (left?.id && !left.isConnected) document.getElementById(left.id)?.focus({ preventScroll: true });
}

/** Renders navigation, tools and filters if their state has changed. */
function renderHeader() {
  const site = state.site ?? last?.shown.totals.site;
  const says = [link(state), site, isSignedIn()].join(" ");
  if (says === renderedHeader) return renderAge();
  renderedHeader = says;
  const { activeElement } = document;
  const current = state.view === "route" ? "routes" : state.view;
  element("views").replaceChildren(...VIEWS.map(([name, word]) => make("a", { href: link(state, { view: name }), "aria-current": name === current ? "page" : null }, word)));
  element("tools").replaceChildren(
    site ? make("span", { class: "site", title: "Site" }, site) : "",
    make("span", { id: "fresh", class: "fresh" }),
    make("button", { type: "button", class: "plain", id: "again", title: "Refresh", "aria-label": "Refresh", onclick: () => render(true) }, "↻"),
    exportMenu(() => last?.shown ?? null),
    make("button", { type: "button", class: "plain", id: "theme", title: "Switch theme", "aria-label": "Switch theme", onclick: toggleTheme }, "◐"),
    isSignedIn() ? make("button", { type: "button", class: "quiet-button", onclick: () => (signOut(), (last = null), render()) }, "Sign out") : "",
  );
  // An empty filter bar keeps its height, so that no view starts higher than another.
  element("question").inert = !hasFilters(state.view);
  element("question").replaceChildren(hasFilters(state.view) ? filters(state, navigate) : "");
  restoreFocus(activeElement);
  renderAge();
}
let renderedHeader = "";

/** Shows the age of the last beacon and of the shown data. */
function renderAge() {
  const place = document.getElementById("fresh");
  if (!place || !last) return;
  const { heard_at } = last.shown.totals;
  const age = Date.now() - last.at;
  place.replaceChildren(...(state.view === "cache" ? [] : heard_at === undefined ? ["no beacons yet"] : [make("span", { class: "word" }, "last beacon "), ago(heard_at)]));
  place.title = heard_at === undefined ? "" : `Last beacon: ${dateTime(heard_at)}`;
  place.classList.toggle("live", heard_at !== undefined && Date.now() - heard_at < 15 * MINUTE);
  if (age > 5 * MINUTE) showNotice(`Last updated ${ago(last.at)}.`, "stale");
  else if (last.shards) showNotice(`${last.shards.answered} of ${last.shards.of} shards answered; the views of the others are missing.`, "partial");
  else if (navigator.onLine) showNotice("");
}

/** @param {string} text @param {string} [kind] */
function showNotice(text, kind = "") {
  if (notice.textContent === text) return;
  notice.textContent = text;
  notice.className = kind;
  notice.hidden = text === "";
}

/** @param {unknown} error */
function showError(error) {
  const again = make("button", { type: "button", onclick: () => (error instanceof ImportError ? location.reload() : render(true)) }, "Try again");
  if (error instanceof ApiError) void follow(null, "");
  if (error instanceof ApiError && error.status === 401) return content.replaceChildren(signInForm());
  if (error instanceof NetworkError || (error instanceof ApiError && error.status >= 500)) {
    const words = !navigator.onLine ? "This device is offline." : error instanceof ImportError ? "Part of the dashboard failed to load." : error instanceof NetworkError ? "The Worker is unreachable." : "The Worker returned an error.";
    // Older data of the same address stays, marked as old.
    if (last && lastAddress === location.search) return showNotice(`${words} Showing data from ${ago(last.at)}.`, "stale");
    return content.replaceChildren(pageMessage(words, make("p", null, error instanceof ApiError ? `Reason: ${error.message}` : "The data loads again when the connection returns."), again));
  }
  if (error instanceof ApiError) {
    const help =
      error.status === 404
        ? make("p", null, "Sites are configured in wrangler.toml. ", make("a", { href: "/" }, "Show the first site"), ".")
        : error.status === 400
          ? make("p", null, "The address contains an invalid parameter. ", make("a", { href: link(state, { only: new Map(), from: null, to: null, window: "24h" }) }, "Remove all filters"), ".")
          : again;
    return content.replaceChildren(pageMessage("The Worker rejected the request", make("p", null, error.message), help));
  }
  console.error(error);
  content.replaceChildren(pageMessage("The data cannot be shown", make("p", null, error instanceof Error ? error.message : String(error)), again));
}

/** The sign-in of a site that is not public. */
function signInForm() {
  const token = make("input", { id: "token", type: "password", autocomplete: "current-password", required: true });
  const enter = (/** @type {Event} */ event) => {
    event.preventDefault();
    storeToken("read", token.value.trim());
    last = null;
    render();
  };
  return pageMessage(
    "Sign in with a read token",
    make("p", null, hasToken("read") ? "Invalid token. " : "", "The data of this site is not public. The token is kept in this tab only."),
    make("form", { class: "door", onsubmit: enter }, make("label", { for: "token" }, "Read token"), token, make("button", { type: "submit", class: "primary" }, "Sign in")),
    make("p", { class: "quiet" }, "Set the token with ", make("code", null, "npx wrangler secret put READ_TOKEN"), "."),
  );
}

function toggleTheme() {
  const dark = getComputedStyle(document.documentElement).colorScheme === "dark" || (!document.documentElement.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
  localStorage.setItem("theme", dark ? "light" : "dark");
  applyTheme(dark ? "light" : "dark");
  // Charts are painted in the colours of the theme.
  render();
}

/** @param {string | null} name */
function applyTheme(name) {
  if (name === "light" || name === "dark") document.documentElement.dataset.theme = name;
}
