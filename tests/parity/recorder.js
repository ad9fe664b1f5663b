//! The recorder, the first script of each page: records the browser's events and each library's reports in one
//! order. Records are sent at once, and kept in session storage while the page is being left, when nothing can
//! be sent.

(() => {
  const page = `${Date.now()}-${Math.random()}`;
  /** @type {object[]} */
  const log = [];
  const INPUT = ['keydown', 'keyup', 'pointerdown', 'pointerup', 'pointercancel', 'mousedown', 'touchstart', 'click'];
  /** The event that is being dispatched to everyone just now. @type {string | undefined} */
  let during;

  const recorder = {
    log,
    page,
    /** How long the page's own click and key handlers work, in ms. */
    burn: 0,

    /** @param {string} name @param {object} [more] */
    mark(name, more) {
      tell({kind: 'mark', name, ...more});
    },

    /** The libraries have begun. */
    observing() {
      recorder.mark('observing', {...surroundings(), hidden: performance.getEntriesByType('visibility-state').map(plain)});
    },

    /** @param {string} library @param {number} subscription @param {any} metric */
    report(library, subscription, metric) {
      const {name, value, delta, rating, id, navigationType, navigationId, navigationInteractionId, navigationURL, navigationStartTime} = metric;
      tell({
        kind: 'report',
        during,
        library,
        subscription,
        metric: {name, value, delta, rating, id, navigationType, navigationId, navigationInteractionId, navigationURL, navigationStartTime},
        entries: metric.entries.map((/** @type {any} */ entry) => ({
          entryType: entry.entryType,
          name: entry.name,
          startTime: entry.startTime,
          duration: entry.duration,
          live: entry instanceof PerformanceEntry,
        })),
      });
    },

    /** Resolves when everything so far has been painted, delivered and handled in idle time. */
    settled() {
      if (document.visibilityState === 'hidden') return task().then(task);
      return frame()
        .then(frame)
        .then(task)
        .then(() => new Promise((resolve) => idle(resolve, {timeout: LONGEST_FRAME_MS})));
    },

    /** The records of all pages of this tab, by page. */
    all() {
      const pages = Object.fromEntries(Object.keys(sessionStorage).filter((key) => key.startsWith('records ')).map((key) => [key.slice('records '.length), JSON.parse(sessionStorage[key])]));
      return {...pages, [page]: log};
    },
  };

  // A tab that another one covers meanwhile gets no frame; whatever was painted is painted within a second.
  const frame = () =>
    new Promise((resolve) => {
      requestAnimationFrame(resolve);
      setTimeout(resolve, LONGEST_FRAME_MS);
    });
  const task = () => new Promise((resolve) => scheduler.postTask(() => resolve(undefined), {priority: 'background'}));
  const idle = requestIdleCallback.bind(window);
  const setTimeout = window.setTimeout.bind(window);
  const LONGEST_FRAME_MS = 1000;

  let leaving = false;
  /** @param {object} what */
  function tell(what) {
    const record = {page, n: log.length, at: now(), ...what};
    log.push(record);
    if (leaving) sessionStorage[`records ${page}`] = JSON.stringify(log);
    /** @type {any} */ (globalThis).__tell?.(JSON.stringify(record));
  }

  // Within one task the page's clock stands still, so that two libraries that read it in the same task (two
  // frames after a restore, say) get the same time.
  const now = performance.now.bind(performance);
  /** @type {number | undefined} */
  let stopped;
  const go = () => (stopped = undefined);
  performance.now = () => {
    if (stopped === undefined) {
      stopped = now();
      scheduler.postTask(go, {priority: 'user-blocking'});
    }
    return stopped;
  };
  /** @type {number | undefined} */
  let current;
  const requestFrame = requestAnimationFrame.bind(window);
  window.requestAnimationFrame = (callback) =>
    requestFrame((time) => {
      if (time !== current) go();
      current = time;
      callback(time);
    });

  tell({
    kind: 'start',
    url: location.href,
    readyState: document.readyState,
    ...surroundings(),
  });

  for (const type of ['visibilitychange', 'pageshow', 'pagehide', 'prerenderingchange', 'load', ...INPUT]) {
    addEventListener(
      type,
      (event) => {
        go();
        during = type;
        if (type === 'load' && event.target !== document) return;
        leaving = type === 'pagehide' || (leaving && type !== 'pageshow');
        if (document.visibilityState === 'hidden') recordEntries(observer.takeRecords(), true);
        recorder.mark(type, {
          timeStamp: event.timeStamp,
          trusted: event.isTrusted,
          ...(type === 'visibilitychange' && {state: document.visibilityState}),
          ...(type.startsWith('page') && {persisted: /** @type {PageTransitionEvent} */ (event).persisted}),
          ...(INPUT.includes(type) ? {now: performance.now(), cancelable: event.cancelable} : surroundings()),
        });
        if (event.isTrusted && ['keydown', 'click'].includes(type)) whenIdle();
        if (type === 'pageshow' && /** @type {PageTransitionEvent} */ (event).persisted) {
          setTimeout(() => recorder.mark('awake', surroundings()));
          frame().then(() => requestAnimationFrame(() => recorder.mark('restored', {now: performance.now()})));
        }
      },
      true,
    );
    // The last listener: on the window, in the bubbling phase.
    addEventListener(type, () => (during = undefined));
  }

  // The page's own handlers, after everyone's capturing listeners.
  for (const type of ['click', 'keydown']) {
    addEventListener(type, () => {
      for (const until = now() + recorder.burn; now() < until; );
    });
  }

  // One observer for all types, so that one delivery of the browser is one line of the record.
  const observer = new PerformanceObserver((list) => recordEntries(list.getEntries()));
  for (const type of PerformanceObserver.supportedEntryTypes) {
    if (!['mark', 'measure', 'resource', 'element', 'navigation'].includes(type)) observer.observe(/** @type {any} */ ({type, buffered: true, durationThreshold: 16}));
  }

  /** @param {any[]} entries @param {boolean} [taken] before their delivery, at hide */
  function recordEntries(entries, taken) {
    if (entries.length > 0) tell({kind: 'entries', taken, interactionCount: performance.interactionCount, entries: entries.map(plain)});
    if (entries.some(({entryType}) => ['event', 'first-input', 'soft-navigation'].includes(entryType))) whenIdle();
  }

  /** Records the idle callback in which the libraries may handle deferred work. */
  function whenIdle() {
    if (document.visibilityState === 'visible') idle(() => recorder.mark('idle', {interactionCount: performance.interactionCount}), {timeout: 1000});
  }

  /** The state of browser and page load that a script can read now. */
  function surroundings() {
    const {prerendering, wasDiscarded} = /** @type {any} */ (document);
    const [entry] = /** @type {any[]} */ (performance.getEntriesByType('navigation'));
    const {responseStart, activationStart, type} = entry;
    return {
      navigation: {responseStart, activationStart, type},
      visibility: document.visibilityState,
      prerendering,
      wasDiscarded,
      interactionCount: performance.interactionCount,
    };
  }

  /** @param {any} entry */
  function plain(entry) {
    const json = entry.toJSON();
    if (entry.entryType === 'layout-shift') delete json.sources;
    if (entry.entryType === 'long-animation-frame') delete json.scripts;
    if (entry.largestContentfulPaint) json.largestContentfulPaint = entry.largestContentfulPaint.toJSON();
    const largest = entry.getLargestInteractionContentfulPaint?.();
    if (largest) json.largestInteractionContentfulPaint = plain(largest);
    return json;
  }

  /** @type {any} */ (globalThis).recorder = recorder;
})();
