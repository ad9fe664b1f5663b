/**
 * The whole job: measures every vital of every view of this page load, and sends one beacon a view,
 * when the page is hidden at the latest; then again only if something changed. What is in a beacon
 * and how it travels is decided here, and what was measured by `#measure`.
 * @module
 */
import { lost, measure } from "#measure";
import { NAMES, activation, flush, hidden, idle, navigation, navigationType } from "./page.js";

/** What may wait for another attempt, in characters, and for how long at most between two. */
const WAITING = 3e4;
const PATIENCE = 6e4;

/** The oldest that a view says it is, in milliseconds. */
const DAY = 864e5;

let declare;

/** Declares a view of its own, for a single-page application. */
export const view = (route) => declare?.(route);

export const start = (options) => {
  const { endpoint, sample } = options;
  // Global Privacy Control means no; a server has no page; and a page has one beacon.
  if (declare || !globalThis.document || navigator.globalPrivacyControl || sample * Math.random() >= 1) return () => {};

  let id;
  let about = { view: -1 };
  /** The route of the view that begins next: the one before it is still to be told with its own. */
  let { route } = options;
  /** Where the view is, as its address says. */
  let address;
  let since;
  /** The number of the next send of this view, and what the last one said. */
  let seq;
  let said;
  let armed;
  let control;
  let arming;
  let waiting = 0;

  const turned = (nav, at, name = location.href) => {
    if (about.nav) send();
    since = at;
    seq = 0;
    said = 0;
    address = name;
    about = { view: about.view + 1, route, nav };
  };

  const refused = () => document.prerendering || options.consent?.() === false;

  /** The beacon, if there is anything new to say. */
  const compose = () => {
    if (refused()) return;
    const m = {};
    NAMES.forEach((name, metric) => {
      const value = measurement.asked(metric);
      if (value >= 0) m[name] = value;
    });
    const saying = JSON.stringify(m);
    // A view has room for so many sends, and once the machine is lost nothing better will come.
    if (saying === said || seq > (lost ? 0 : 31)) return;
    disarm();
    said = saying;
    const url = new URL(address);
    url.search = new URLSearchParams([...url.searchParams].filter(([name]) => options.allowQuery?.includes(name)));
    const entry = navigation();
    let beacon = {
      v: 1,
      site: options.site,
      // Only who sends something needs a name.
      id: (id ??= crypto.getRandomValues(new Uint32Array(3)).join("")),
      ...about,
      path: url.pathname + url.search,
      seq: seq++,
      age: Math.min(DAY, Math.ceil(performance.now() - (since || activation()))),
      m,
      release: options.release,
      w: sample,
      dim: options.dimensions,
      // The browser's own cache repeats what the edge said when it filled it.
      cache: entry?.serverTiming?.find(({ name }) => entry.transferSize && (name === "edge" || name === "cache"))?.description,
      net: navigator.connection?.effectiveType,
      bot: +navigator.webdriver || undefined,
      lost: lost ?? (saying[2] ? undefined : "hidden"),
    };
    if (FULL && options.describe) beacon.a = options.describe(measurement);
    if (options.beforeSend) beacon = options.beforeSend(beacon);
    if (beacon) return JSON.stringify(beacon);
    seq--;
  };

  /** Takes back what was left with the browser, unless it is on its way. */
  const disarm = () => {
    if (armed && !armed.activated) {
      control.abort();
      seq--;
      said = 0;
    }
    armed = 0;
  };

  /** Leaves the beacon with the browser, which sends it even if the page dies without a word. */
  const arm = () => {
    // Before load there is more to come, the time to first byte at the least, which tells of it.
    if (arming || !globalThis.fetchLater || document.readyState !== "complete") return;
    // Once for all that is reported meanwhile, and when nothing else is to do: each call costs as much
    // as a small request.
    arming = setTimeout(
      () =>
        idle(() => {
          arming = 0;
          if (hidden() || !declare || lost) return;
          const body = compose();
          if (body) {
            control = new AbortController();
            armed = {};
            try {
              armed = fetchLater(endpoint, { method: "POST", body, signal: control.signal });
            } catch {
              // Over its quota, or forbidden: it is sent when the page hides.
            }
          }
        }),
      250,
    );
  };

  const post = (body, wait = 1e3) => {
    if (refused()) return;
    const failed = () => {
      if (wait < PATIENCE && waiting + body.length < WAITING) {
        waiting += body.length;
        setTimeout(() => {
          waiting -= body.length;
          post(body, wait * 2);
        }, wait);
      }
    };
    if ("keepalive" in Request.prototype) {
      fetch(endpoint, { method: "POST", body, keepalive: true }).then(({ status }) => status < 500 || failed(), failed);
    } else navigator.sendBeacon(endpoint, body);
  };

  const send = () => {
    flush();
    disarm();
    const body = compose();
    if (body) post(body);
  };

  const measurement = measure(arm, options, turned, send);
  turned(navigationType(), 0);
  declare = (named) => {
    route = named;
    measurement.declare();
  };

  return () => {
    disarm();
    measurement.stop();
    declare = undefined;
  };
};
