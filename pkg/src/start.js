/**
 * The whole job: measures every vital of every view of this page load, and sends one beacon a view,
 * when the page is hidden at the latest. When a beacon is due is the machine's decision; what is in
 * it and how it travels is decided here.
 * @module
 */
import { handle, lost } from "./machine.js";
import { VISIBILITY, activation, hidden, idle, measure, navigation, navigationType } from "./measure.js";
import { CLS, DUE, FCP, FID, INP, LCP, NAMES, REVOKED, SENT, TTFB, TURNED } from "./moments.js";

/** What may wait for another attempt, in characters, and for how long at most between two. */
const WAITING = 3e4;
const PATIENCE = 6e4;

let declare;

/** Declares a view of its own, for a single-page application. */
export const view = (route) => declare?.(route);

export const start = (options) => {
  const { endpoint, sample } = options;
  // Global Privacy Control means no; a server has no page; and a page has one beacon.
  if (declare || !globalThis.document || navigator.globalPrivacyControl || sample * Math.random() >= 1) return () => {};

  const refused = () => document.prerendering || options.consent?.() === false;
  let id = "";
  let about = { view: -1 };
  /** The route of the view that begins next: the one before it is still to be told with its own. */
  let { route } = options;
  /** Where the view is, as its address says. */
  let address;
  let since;
  let sends;
  let armed;
  let control;
  let arming = false;
  let waiting = 0;

  const turned = (nav, at, name = location.href) => {
    if (about.nav) send();
    handle(TURNED);
    since = at;
    sends = 0;
    address = name;
    about = { view: about.view + 1, route, nav };
  };

  const compose = (again) => {
    if (refused() || (lost && sends)) return;
    const m = {};
    NAMES.forEach((name, metric) => {
      const value = handle(SENT, FULL ? measurement.base + metric : metric);
      if (value >= 0) m[name] = value;
    });
    // The first paint is soon known too, and what is left with the browser again costs again.
    if (again && !about.view && !m.FCP) return;
    let seq = lost ? 0 : handle(DUE);
    if (seq >= 0) {
      if (again) {
        // Its number is that of the one it replaces.
        handle(REVOKED);
        disarm();
        seq = handle(DUE);
      }
      const url = new URL(address);
      for (const key of [...url.searchParams.keys()]) if (!options.allowQuery?.includes(key)) url.searchParams.delete(key);
      // Only who sends something needs a name.
      if (!id) for (const part of crypto.getRandomValues(new Uint32Array(3))) id += (part + 2 ** 32).toString(16).slice(1);
      let beacon = {
        v: 1,
        site: options.site,
        id,
        ...about,
        path: url.pathname + url.search,
        seq,
        age: Math.ceil(performance.now() - (since || activation())),
        m,
        release: options.release,
        w: sample,
        dim: options.dimensions,
        cache: navigation()?.serverTiming?.find(({ name }) => name === "cache")?.description,
        net: navigator.connection?.effectiveType,
        bot: +navigator.webdriver || undefined,
        lost: lost ?? (Object.keys(m)[0] ? undefined : "hidden"),
      };
      if (FULL && options.describe) beacon.a = options.describe(measurement);
      if (options.beforeSend) beacon = options.beforeSend(beacon);
      sends++;
      return beacon ? JSON.stringify(beacon) : handle(REVOKED);
    }
  };

  const disarm = () => {
    if (armed && !armed.activated) {
      control.abort();
      handle(REVOKED);
    }
    armed = undefined;
  };

  /** Leaves the beacon with the browser, which sends it even if the page dies without a word. */
  const arm = () => {
    // Before load there is more to come, the time to first byte at the least, which tells of it.
    if (arming || !globalThis.fetchLater || document.readyState !== "complete") return;
    arming = true;
    // Idle, and once for all that was reported meanwhile: each call costs as much as a small request.
    idle(() => {
      arming = false;
      if (hidden() || !declare || lost) return;
      const body = compose(true);
      if (body) {
        control = new AbortController();
        armed = {};
        try {
          armed = fetchLater(endpoint, { method: "POST", body, signal: control.signal });
        } catch {
          // Over its quota, or forbidden: it is sent when the page hides.
        }
      }
    });
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
    disarm();
    const body = compose();
    if (body) post(body);
  };

  const measurement = measure([CLS, TTFB, FCP, LCP, INP, FID], arm, options, turned);
  turned(navigationType(), 0);
  // On the document, and so after every listener of the measurement, which are on the window.
  measurement.listen(VISIBILITY, () => hidden() && send(), document);
  measurement.listen("pagehide", send);
  declare = (named) => {
    route = named;
    measurement.declare("view");
  };

  return () => {
    disarm();
    measurement.stop();
    declare = undefined;
  };
};
