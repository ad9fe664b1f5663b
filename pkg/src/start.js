/**
 * The whole job: measures every vital of every view of this page load, and sends one beacon a view,
 * when the page is hidden at the latest. When a beacon is due is the machine's decision; what is in
 * it and how it travels is decided here.
 * @module
 */
import { handle, lost } from "./machine.js";
import { activation, hidden, measure, navigation, navigationType } from "./measure.js";
import { DECLARED, DUE, NAMES, REVOKED, SENT, TTFB, TURNED } from "./moments.js";

const METRICS = [0, 1, 2, 3, 4, 5];

const nothing = () => {};

/** Declares a view of its own, for a single-page application. */
export let view = nothing;

export const start = (options) => {
  // Global Privacy Control means no; and a server has no page.
  if (!globalThis.document || navigator.globalPrivacyControl || Math.random() * (options.sample ?? 1) >= 1) return nothing;

  const id = Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => (byte + 256).toString(16).slice(1)).join("");
  const { endpoint } = options;
  let about = { view: -1, route: options.route };
  let since;
  let armed;
  let queue = [];

  const turned = (nav, at, { name = location.href } = {}) => {
    if (since >= 0) send();
    handle(TURNED);
    since = at;
    const { pathname, searchParams } = new URL(name);
    for (const key of [...searchParams.keys()]) if (!options.allowQuery?.includes(key)) searchParams.delete(key);
    about = { view: about.view + 1, nav, path: pathname + (searchParams.size ? "?" + searchParams : ""), route: about.route };
  };

  const compose = () => {
    if (document.prerendering || options.consent?.() === false) return;
    const m = {};
    for (const metric of METRICS) {
      const value = handle(SENT, measurement.base + metric);
      if (value >= 0) m[NAMES[metric]] = value;
    }
    let seq = handle(DUE);
    if (lost) seq = since === -1 ? -1 : 0;
    if (seq >= 0) {
      let beacon = {
        v: 1,
        site: options.site,
        id,
        ...about,
        seq,
        age: Math.ceil(performance.now() - since),
        m,
        release: options.release,
        w: options.sample,
        dim: options.dimensions,
        cache: navigation()?.serverTiming?.find(({ name }) => name === "cache")?.description,
        net: navigator.connection?.effectiveType,
        bot: navigator.webdriver ? 1 : undefined,
        lost: lost ?? (m.TTFB >= 0 ? undefined : "hidden"),
      };
      beacon = options.beforeSend ? options.beforeSend(beacon) : beacon;
      return beacon && JSON.stringify(beacon);
    }
  };

  const disarm = () => {
    if (armed && !armed.result.activated) {
      armed.abort();
      handle(REVOKED);
    }
    armed = undefined;
  };

  /** Leaves the beacon with the browser, which sends it even if the page dies without a word. */
  const arm = () => {
    if (!globalThis.fetchLater || hidden()) return;
    disarm();
    const body = compose();
    if (body) {
      const control = new AbortController();
      try {
        armed = {
          result: fetchLater(endpoint, { method: "POST", body, signal: control.signal }),
          abort: () => control.abort(),
        };
      } catch {
        handle(REVOKED);
      }
    }
  };

  const post = (body, wait = 1e3) => {
    const failed = () => {
      queue.push(body);
      setTimeout(() => post(queue.shift(), wait * 2), wait);
    };
    if (globalThis.fetch) {
      fetch(endpoint, { method: "POST", body, keepalive: true }).then((answer) => answer.status < 500 || failed(), failed);
    } else navigator.sendBeacon(endpoint, body);
  };

  const send = () => {
    disarm();
    const body = compose();
    if (body) post(body);
  };

  const measurement = measure(METRICS, arm, options, turned);
  turned(navigationType(), activation());
  const life = new AbortController();
  // After all listeners of the measurement, which are on the window.
  for (const [target, type] of [[document, "visibilitychange"], [window, "pagehide"]]) {
    target.addEventListener(type, () => (hidden() || type === "pagehide") && send(), { capture: true, signal: life.signal });
  }
  view = (route) => {
    about.route = route;
    measurement.renew(DECLARED, "view", performance.now());
  };

  return () => {
    disarm();
    life.abort();
    measurement.stop();
    view = nothing;
  };
};
