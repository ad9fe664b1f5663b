/**
 * Beacons: measures every metric of every view of this page load, and sends one beacon per view, at the
 * latest when the page is hidden, then again only after a change. Measuring is left to `#observer`.
 * @module
 */
import { fallback, lossReason, measure } from "#observer";
import { METRIC_NAMES } from "./metrics.js";
import { activationStart, flush, isHidden, navigationEntry, navigationType, whenIdle } from "./page.js";

/** @typedef {import("../types/index.js").Beacon} Beacon */
/** @typedef {(measurement: ReturnType<typeof measure>) => Beacon["a"]} Describe */

/** The size of all beacons that may wait for a retry, in characters. */
const MAX_RETRY_CHARS = 3e4;
/** The delay after which a beacon is not sent again. */
const MAX_RETRY_DELAY_MS = 6e4;

/** The largest age of a view that the Worker accepts. */
const MAX_AGE_MS = 864e5;

/** The delay before a beacon is left with the browser, for all changes that come meanwhile. */
const FETCH_LATER_DELAY_MS = 250;

/** The number of the last beacon of a view. */
const MAX_SEQ = 31;

/** The part of an address that a route is about. @param {string} address */
const pageOf = (address) => new URL(address).pathname;

/** @type {((route: string, isSame?: boolean) => void) | undefined} */
let declareView;

/** Declares a view, for single-page applications. @type {typeof import("../types/index.js").view} */
export const view = (route, isSame) => {
  if (fallback) fallback.then(() => view(route, isSame));
  else declareView?.(route, isSame);
};

/**
 * @param {import("../types/index.js").StartOptions & { describe?: Describe }} options
 * @returns {import("../types/index.js").Stop}
 */
export const start = (options) => {
  const { endpoint, sample } = options;
  // No beacons under Global Privacy Control, on a server, or from a second start.
  if (
    declareView ||
    !globalThis.document ||
    navigator.globalPrivacyControl ||
    /** @type {number} */ (sample) * Math.random() >= 1
  ) {
    return () => {};
  }

  /** The id of the page load, drawn when the first beacon is composed. @type {string | undefined} */
  let id;
  /** @type {{ view: number, route?: string, nav?: Beacon["nav"] }} */
  let current = { view: -1 };
  /** The route of the next view; the current one is still to be sent with its own. */
  let { route } = options;
  /** The address of the current view. @type {string} */
  let url;
  /** The start of the current view. @type {number} */
  let viewStart;
  /** The number of the view's next beacon. @type {number} */
  let seq;
  /** The values that the view's last beacon carried, as JSON; 0 before the first. @type {string | 0} */
  let sentValues;
  /** The beacon that is left with the browser, if any. @type {FetchLaterResult | 0 | undefined} */
  let armed;
  /** @type {AbortController} */
  let controller;
  /** @type {ReturnType<typeof setTimeout> | 0 | undefined} */
  let armTimer;
  let waitingChars = 0;

  /** @type {import("./callback_observer.js").OnView} */
  const startView = (nav, start, address, isReported) => {
    if (address) {
      if (current.nav) send();
      seq = 0;
      sentValues = 0;
      // A view that only the browser reports has the route of the last one if it is on the same page.
      if (isReported && pageOf(address) !== pageOf(url)) route = undefined;
      url = address;
      current = { view: current.view + 1, route };
    }
    current.nav = nav;
    viewStart = start;
  };

  const isForbidden = () => document.prerendering || options.consent?.() === false;

  /** Composes the beacon, if there is anything new to send. */
  const compose = () => {
    if (isForbidden()) return;
    /** @type {Beacon["m"]} */
    const m = {};
    METRIC_NAMES.forEach((name, metric) => {
      const value = /** @type {number} */ (measurement.readWireValue(metric));
      if (value >= 0) m[name] = value;
    });
    const values = JSON.stringify(m);
    // Once wasm has failed, the first beacon is also the last.
    if (values === sentValues || seq > (lossReason ? 0 : MAX_SEQ)) return;
    disarm();
    sentValues = values;
    const address = new URL(url);
    // The setter converts it to a string.
    address.search = /** @type {string & URLSearchParams} */ (
      new URLSearchParams([...address.searchParams].filter(([name]) => options.allowQuery?.includes(name)))
    );
    const entry = navigationEntry();
    // A response from the browser's own cache repeats the Server-Timing of an earlier request.
    /** @param {string} key */
    const serverTiming = (key) => entry?.serverTiming?.find(({ name }) => entry.transferSize && name === key)?.description;
    /** @type {Beacon | null | undefined} */
    let beacon = /** @type {Beacon} */ ({
      v: 1,
      site: options.site,
      id: (id ??= crypto.getRandomValues(new Uint32Array(3)).join("")),
      .../** @type {{ view: number, nav: Beacon["nav"] }} */ (current),
      path: address.pathname + address.search,
      seq: seq++,
      age: Math.min(MAX_AGE_MS, Math.ceil(performance.now() - (viewStart || activationStart()))),
      m,
      release: options.release,
      w: sample,
      dim: options.dimensions,
      cache: serverTiming("edge") ?? serverTiming("cache"),
      e: serverTiming("evidence"),
      net: navigator.connection?.effectiveType,
      bot: +navigator.webdriver || undefined,
      // A browser may have nothing to tell of a declared view.
      lost: lossReason ?? (values[2] || current.nav === "view" ? undefined : "hidden"),
    });
    if (FULL && options.describe) beacon.a = options.describe(measurement);
    if (options.beforeSend) beacon = options.beforeSend(beacon);
    if (beacon) return JSON.stringify(beacon);
    seq--;
  };

  /** Takes back the beacon that was left with the browser, unless it has been sent. */
  const disarm = () => {
    if (armed && !armed.activated) {
      controller.abort();
      seq--;
      sentValues = 0;
    }
    armed = 0;
  };

  /** Leaves the beacon with the browser, which sends it even if the page crashes. */
  const arm = () => {
    // Before load more is to come: the time to first byte at the least, which calls this again.
    if (armTimer || !globalThis.fetchLater || document.readyState !== "complete") return;
    // Once for all changes meanwhile, and in an idle moment: each call costs as much as a small request.
    armTimer = setTimeout(
      () =>
        whenIdle(() => {
          armTimer = 0;
          if (isHidden() || !declareView || lossReason) return;
          const body = compose();
          if (body) {
            controller = new AbortController();
            armed = /** @type {FetchLaterResult} */ ({});
            try {
              armed = fetchLater(endpoint, { method: "POST", body, signal: controller.signal });
            } catch {
              // Over the quota, or forbidden: the beacon is sent when the page is hidden.
            }
          }
        }),
      FETCH_LATER_DELAY_MS,
    );
  };

  /** Sends a beacon, and again after a failure of the network or the Worker, or a rate limit. @param {string} body */
  const post = (body, delay = 1e3) => {
    if (isForbidden()) return;
    const retry = () => {
      if (delay < MAX_RETRY_DELAY_MS && waitingChars + body.length < MAX_RETRY_CHARS) {
        waitingChars += body.length;
        setTimeout(() => {
          waitingChars -= body.length;
          post(body, delay * 2);
        }, delay);
      }
    };
    if ("keepalive" in Request.prototype) {
      fetch(endpoint, { method: "POST", body, keepalive: true }).then(({ status }) => (status !== 429 && status < 500) || retry(), retry);
    } else navigator.sendBeacon(endpoint, body);
  };

  const send = () => {
    flush();
    disarm();
    const body = compose();
    if (body) post(body);
  };

  const measurement = measure(arm, options, startView, send);
  startView(navigationType(), 0, location.href);
  declareView = (next, isSame) => {
    if (measurement.declareView(isSame)) {
      current.route = next;
      url = location.href;
    }
    route = next;
  };

  return () => {
    disarm();
    measurement.stop();
    declareView = undefined;
  };
};
