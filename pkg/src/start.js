/**
 * The whole job: measures every vital of every view of this page load, and sends one beacon a view,
 * when the page is hidden at the latest. When a beacon is due is the machine's decision; what is in
 * it and how it travels is decided here.
 * @module
 */
import { handle, lost } from "./machine.js";
import * as moment from "./moments.js";
import { NAMES, hidden, navigation, on, whenActive } from "./on.js";

/** What may wait for another attempt, in characters. */
const QUEUE_LIMIT = 16384;

/** @param {import("./index.js").StartOptions} options */
export const start = (options) => {
  // Global Privacy Control means no; so does a server, which has no page.
  if (!globalThis.document || navigator.globalPrivacyControl || !(Math.random() * (options.sample ?? 1) < 1)) {
    return stopped;
  }
  const life = new AbortController();
  const { signal } = life;
  const id = Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => (byte + 256).toString(16).slice(1)).join("");
  const vitals = NAMES.map((name, metric) =>
    on(metric, (report) => {
      if (report.navigationType === "soft-navigation" && report.navigationStartTime !== since) {
        turn("soft-navigation", report.navigationStartTime, report.navigationURL);
      }
      arm();
    }, { reportSoftNavs: options.reportSoftNavs }, true),
  );

  let view = -1;
  let since;
  let about;
  let armed;
  let waiting = [];

  const turn = (nav, at, url = location.href, route = options.route) => {
    if (view >= 0) send();
    handle(moment.TURNED, 0);
    view++;
    since = at;
    about = { nav, path: path(url), route };
  };

  const path = (url) => {
    const { pathname, searchParams } = new URL(url, location.href);
    const kept = (options.allowQuery ?? [])
      .flatMap((key) => searchParams.getAll(key).map((value) => `${encodeURIComponent(key)}=${encodeURIComponent(value)}`))
      .join("&");
    return kept ? `${pathname}?${kept}` : pathname;
  };

  /** The beacon, if one is due and nobody objects. */
  const compose = () => {
    if (document.prerendering || options.consent?.() === false) return;
    let seq = handle(moment.DUE, 0);
    const m = {};
    vitals.forEach((vital, metric) => {
      const value = handle(moment.WIRE, vital.slot);
      if (value >= 0) m[NAMES[metric]] = value;
    });
    if (lost) seq = 0;
    if (seq >= 0) {
      const hard = navigation();
      let beacon = {
        v: 1,
        site: options.site,
        id,
        view,
        seq,
        ...about,
        age: Math.ceil(performance.now() - since),
        m,
        release: options.release,
        w: options.sample,
        dim: options.dimensions,
        cache: hard?.serverTiming?.find(({ name }) => name === "cache")?.description,
        net: navigator.connection?.effectiveType,
        bot: navigator.webdriver ? 1 : undefined,
        lost: lost ?? (Object.keys(m)[0] ? undefined : "hidden"),
      };
      if (options.beforeSend) beacon = options.beforeSend(beacon);
      return beacon && JSON.stringify(beacon);
    }
  };

  const disarm = () => {
    if (armed && !armed.result.activated) {
      armed.abort();
      handle(moment.REVOKED, 0);
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
        const result = fetchLater(options.endpoint, { method: "POST", body, signal: control.signal });
        armed = { result, abort: () => control.abort() };
      } catch {
        handle(moment.REVOKED, 0);
      }
    }
  };

  const send = () => {
    disarm();
    const body = compose();
    if (body) post(body, 1000);
  };

  const post = (body, wait) => {
    const failed = () => {
      waiting.push(body);
      setTimeout(() => {
        const next = waiting.shift();
        if (next) post(next, wait * 2);
      }, wait);
    };
    if (globalThis.fetch) {
      fetch(options.endpoint, { method: "POST", body, keepalive: true }).then((answer) => {
        if (answer.status >= 500) failed();
      }, failed);
    } else navigator.sendBeacon(options.endpoint, body);
  };

  whenActive(() => {
    const hard = navigation();
    turn(hard?.type.replace(/_/g, "-") ?? "navigate", hard?.activationStart ?? 0);
    const leave = (event) => {
      if (event.type === "pagehide" || hidden()) send();
    };
    document.addEventListener("visibilitychange", leave, { capture: true, signal });
    addEventListener("pagehide", leave, { capture: true, signal });
    addEventListener(
      "pageshow",
      (event) => {
        if (event.persisted) turn("back-forward-cache", event.timeStamp, undefined, about.route);
      },
      { capture: true, signal },
    );
  }, signal);

  return Object.assign(() => {
    disarm();
    life.abort();
    for (const vital of vitals) vital.stop();
  }, {});
};

const stopped = () => {};
