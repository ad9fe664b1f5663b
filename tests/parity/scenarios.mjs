//! The page loads on which the candidate must equal web-vitals. The name of a scenario is a claim about
//! web-vitals, and `shows` checks it on the reports of web-vitals, so that no scenario passes by being empty.

/** @typedef {import('./visit.mjs').Visit} Visit */
/** @typedef {ReturnType<typeof import('./compare.mjs').reported>} Reports */
/** @typedef {Omit<import('./site.mjs').Page, 'subscriptions'>} Page */
/** @typedef {{name: string, subscriptions: {on: string, options: object}[], pages: Record<string, Page>, background?: boolean, native?: boolean, act?: (visit: Visit) => Promise<void>, atLeast?: Record<string, number>, shows: (reports: Reports, records: any[]) => boolean}} Scenario */

const ALL = ['onFCP', 'onLCP', 'onCLS', 'onINP', 'onTTFB', 'onFID'];

/** @param {object} [options] */
const all = (options = {}) => ALL.map((on) => ({on, options}));
const CHANGES = all({reportAllChanges: true});
const SOFT = all({reportSoftNavs: true});
const SOFT_CHANGES = all({reportSoftNavs: true, reportAllChanges: true});

const TEXT = '<h1>A heading of a page</h1><p>And a paragraph below it, long enough to be content.</p>';
const BUTTON = '<button>Press</button>';
const PICTURE = '<img id="picture" src="/picture/300x200.bmp" width="300" height="200" alt="">';
const TALL = '<div style="height: 3000px">A long page</div>';

/** Content that moves down when the page calls `shift(px)`, and time that passes in the page. */
const MOVABLE = `<div id="spacer"></div><div style="height: 300px; background: #cde">Content that moves</div>
<script>
  shift = (px) => { spacer.style.height = spacer.offsetHeight + px + 'px'; return recorder.settled() };
  pass = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  add = (html) => { document.body.insertAdjacentHTML('afterbegin', html); return recorder.settled() };
</script>`;

/** A page that goes to `/soft/n` at each click, without a load. */
const APP = `<button>Next</button><main><h1>The first view</h1></main>
<script>
  let views = 0;
  document.querySelector('button').addEventListener('click', () => {
    const view = ++views;
    history.pushState({}, '', '/soft/' + view);
    document.querySelector('main').innerHTML = '<h1>View number ' + view + ' of the application</h1><p>' + 'Words and more words. '.repeat(20 * view) + '</p>';
  });
</script>`;

/** @param {Reports} reports @param {string} name */
const of = (reports, name) => reports.filter((report) => report.name === name);
/** @param {Reports} reports @param {string} name */
const values = (reports, name) => of(reports, name).map(({value}) => value);
/** @param {Reports} reports */
const names = (reports) => [...new Set(reports.map(({name}) => name))].sort().join(' ');
/** @param {Reports} reports @param {string} name */
const last = (reports, name) => of(reports, name).at(-1);
/** @param {any[]} records @param {string} type */
const entries = (records, type) => records.filter(({kind}) => kind === 'entries').flatMap((row) => row.entries.filter((/** @type {any} */ entry) => entry.entryType === type));
/** @param {any[]} records */
const shifts = (records) => entries(records, 'layout-shift');

/** @param {Visit} visit @param {...(number | [number])} moves a number moves by so many px, a number in brackets lets so many ms pass */
async function moves(visit, ...moves) {
  for (const move of moves) await (typeof move === 'number' ? visit.run((px) => /** @type {any} */ (globalThis).shift(px), move) : visit.run((ms) => /** @type {any} */ (globalThis).pass(ms), move[0]));
}

/** @param {Visit} visit @param {string} html */
const add = (visit, html) => visit.run((html) => /** @type {any} */ (globalThis).add(html), html);

/** Waits until the page has received `count` entries of a type. @param {Visit} visit @param {string} type @param {number} [count] */
const entered = (visit, type, count = 1) => visit.tab.until((records) => entries(records, type).length >= count);

/** @type {Scenario[]} */
const LOADS = [
  {
    name: 'a page with text reports FCP and TTFB on load, LCP and CLS at hide',
    subscriptions: all(),
    pages: {'/': {body: TEXT}},
    shows: (reports) => names(reports) === 'CLS FCP LCP TTFB',
  },
  {
    name: 'a page with text reports every change once',
    subscriptions: CHANGES,
    pages: {'/': {body: TEXT}},
    shows: (reports) => names(reports) === 'CLS FCP LCP TTFB',
  },
  {
    name: 'an empty page has no paint, and so no CLS either',
    subscriptions: all(),
    pages: {'/': {body: ''}},
    shows: (reports) => names(reports) === 'TTFB',
  },
  {
    name: 'an empty page stays silent under reportAllChanges too',
    subscriptions: CHANGES,
    pages: {'/': {body: ''}},
    shows: (reports) => names(reports) === 'TTFB',
  },
  {
    name: 'a page loaded in the background has a TTFB and nothing that was seen',
    subscriptions: all(),
    background: true,
    pages: {'/': {body: TEXT + PICTURE}},
    shows: (reports) => names(reports) === 'TTFB',
  },
  {
    name: 'a page loaded in the background and shown later has no FCP and no LCP',
    subscriptions: CHANGES,
    background: true,
    pages: {'/': {body: TEXT + BUTTON}},
    act: async (visit) => {
      await visit.open();
      await visit.show();
      await entered(visit, 'paint', 2);
      await visit.click('button', 50);
    },
    shows: (reports) => names(reports) === 'INP TTFB',
  },
  {
    name: 'a page hidden before its first paint reports no paint when it comes back',
    subscriptions: CHANGES,
    pages: {'/': {head: '<link rel="stylesheet" href="/empty.css?gate=paint">', body: TEXT}},
    act: async (visit) => {
      await visit.go();
      await visit.marked('observing');
      await visit.hide();
      visit.site.gate('paint').open();
      await visit.marked('load');
      await visit.show();
      await entered(visit, 'paint', 2);
    },
    shows: (reports) => names(reports) === 'TTFB',
  },
  {
    name: 'a page hidden between two paints keeps the LCP of the first',
    subscriptions: all(),
    pages: {'/': {body: '<p>First</p><img src="/picture/300x200.bmp?gate=picture" alt="">'}},
    act: async (visit) => {
      await visit.go();
      await visit.marked('observing');
      await entered(visit, 'largest-contentful-paint');
      await visit.hide();
      visit.site.gate('picture').open();
      await visit.marked('load');
      // Each library reports its TTFB in a task of its own.
      await visit.settle();
      await visit.show();
    },
    shows: (reports) => of(reports, 'LCP').length === 1 && last(reports, 'LCP')?.entries[0].startTime === last(reports, 'FCP')?.value,
  },
  {
    name: 'a script that comes after the load reads what it missed from the buffer',
    subscriptions: all(),
    pages: {'/': {observe: false, body: TEXT + PICTURE + MOVABLE}},
    act: async (visit) => {
      await visit.go();
      await visit.marked('load');
      await visit.settle();
      await moves(visit, 40);
      await visit.run('import("/observe.js")');
    },
    shows: (reports) => names(reports) === 'CLS FCP LCP TTFB' && (last(reports, 'CLS')?.value ?? 0) > 0,
  },
  {
    name: 'a late script under reportAllChanges walks through the buffered changes',
    subscriptions: CHANGES,
    pages: {'/': {observe: false, body: TEXT + BUTTON + MOVABLE}},
    act: async (visit) => {
      await visit.go();
      await visit.marked('load');
      await visit.settle();
      await add(visit, '<img src="/picture/400x300.bmp" alt="">');
      await entered(visit, 'largest-contentful-paint', 2);
      await visit.click('button', 60);
      await visit.run('import("/observe.js")');
    },
    shows: (reports) => of(reports, 'LCP').length === 2 && of(reports, 'INP').length === 1,
  },
  {
    name: 'a script that comes after a hide finds it in the visibility entries',
    subscriptions: all(),
    pages: {'/': {head: '<link rel="stylesheet" href="/empty.css?gate=late">', observe: false, body: TEXT}},
    act: async (visit) => {
      await visit.go();
      await visit.hide();
      visit.site.gate('late').open();
      await visit.marked('load');
      await visit.show();
      await entered(visit, 'paint', 2);
      await visit.run('import("/observe.js")');
    },
    shows: (reports) => names(reports) === 'TTFB',
  },
  {
    name: 'a script that comes while the page is hidden still reports what was seen before',
    subscriptions: all(),
    pages: {'/': {observe: false, body: TEXT}},
    act: async (visit) => {
      await visit.go();
      await visit.marked('load');
      await entered(visit, 'largest-contentful-paint');
      await visit.hide();
      await visit.run('import("/observe.js")');
      await visit.settle();
      await visit.show();
      await visit.settle();
    },
    shows: (reports) => names(reports).includes('FCP LCP'),
  },
  {
    name: 'a reload has the navigation type reload',
    subscriptions: all(),
    pages: {'/': {body: TEXT}},
    act: async (visit) => {
      await visit.open();
      await visit.tab.reload();
      await visit.marked('observing');
      await visit.marked('load');
      await visit.painted();
    },
    shows: (reports) => last(reports, 'FCP')?.navigationType === 'reload',
  },
  {
    name: 'going back to a page that could not be cached is back-forward, not bfcache',
    subscriptions: all(),
    pages: {'/': {body: `${TEXT}<script>addEventListener('unload', () => {})</script>`}},
    act: async (visit) => {
      await visit.open();
      await visit.go('/other');
      await visit.marked('load');
      await visit.settle();
      await visit.tab.back();
      await visit.marked('observing');
      await visit.marked('load');
      await visit.painted();
    },
    shows: (reports) => last(reports, 'FCP')?.navigationType === 'back-forward',
  },
  {
    name: 'a page left for another reports on its way out',
    subscriptions: all(),
    pages: {'/': {body: TEXT + BUTTON}},
    act: async (visit) => {
      await visit.open();
      await visit.click('button', 50);
      await visit.go('/other');
      await visit.marked('load');
    },
    shows: (reports) => names(reports) === 'CLS FCP FID INP LCP TTFB',
  },
  {
    name: 'a page that was discarded is a restore',
    subscriptions: all(),
    pages: {'/': {head: '<script>Object.defineProperty(document, "wasDiscarded", {value: true})</script>', body: TEXT}},
    shows: (reports) => reports.every(({navigationType}) => navigationType === 'restore'),
  },
  {
    name: 'TTFB counts redirects',
    subscriptions: all(),
    pages: {'/': {body: TEXT}},
    act: (visit) => visit.open('/?slow=60&redirect=/%3Fslow=60'),
    shows: (reports) => (last(reports, 'TTFB')?.value ?? 0) >= 120,
  },
  {
    name: 'TTFB of a slow server needs improvement',
    subscriptions: all(),
    pages: {'/': {body: TEXT}},
    act: (visit) => visit.open('/?slow=820'),
    shows: (reports) => last(reports, 'TTFB')?.rating === 'needs-improvement',
  },
  {
    name: 'paints after three seconds are poor',
    subscriptions: CHANGES,
    pages: {'/': {body: TEXT}},
    act: (visit) => visit.open('/?slow=3050'),
    shows: (reports) => last(reports, 'FCP')?.rating === 'poor' && last(reports, 'LCP')?.rating === 'needs-improvement',
  },
  {
    name: 'TTFB waits for the load event, however long it takes',
    subscriptions: all(),
    pages: {'/': {body: `${TEXT}<img src="/picture/10x10.bmp?gate=load" alt="">`}},
    act: async (visit) => {
      await visit.go();
      await visit.marked('observing');
      await entered(visit, 'paint', 2);
      await visit.step('painted, not loaded');
      visit.site.gate('load').open();
      await visit.marked('load');
    },
    shows: (reports) => of(reports, 'FCP').length === 1 && of(reports, 'TTFB').length === 1,
  },
  {
    name: 'a navigation entry without a response start is not trusted',
    subscriptions: all(),
    pages: {'/': {head: navigation('responseStart', '0'), body: TEXT}},
    shows: (reports) => names(reports) === 'CLS FCP LCP',
  },
  {
    name: 'a navigation entry from the future is not trusted',
    subscriptions: all(),
    pages: {'/': {head: navigation('responseStart', '1e9'), body: TEXT}},
    shows: (reports) => names(reports) === 'CLS FCP LCP',
  },
  {
    name: 'without an entry type only its metric is missing',
    // An API that the page removes concerns the shell, not the core.
    native: false,
    subscriptions: all(),
    pages: {'/': {head: '<script>Object.defineProperty(PerformanceObserver, "supportedEntryTypes", {value: ["paint", "navigation", "event", "first-input"]})</script>', body: TEXT + BUTTON}},
    act: async (visit) => {
      await visit.open();
      await visit.click('button', 50);
    },
    shows: (reports) => names(reports) === 'FCP FID INP TTFB',
  },
];

/** Overrides a field of the navigation entry, as some browsers and extensions do. @param {string} field @param {string} value */
function navigation(field, value) {
  return `<script>{
    const entries = performance.getEntriesByType.bind(performance);
    performance.getEntriesByType = (type) => type !== 'navigation' ? entries(type) :
      entries(type).map((entry) => new Proxy(entry, {get: (entry, key) => key === '${field}' ? ${value} : entry[key]}));
  }</script>`;
}

/** @type {Scenario[]} */
const LARGEST = [
  {
    name: 'LCP is the largest image',
    subscriptions: all(),
    pages: {'/': {body: TEXT + PICTURE}},
    shows: (reports, records) => entries(records, 'largest-contentful-paint').at(-1).url.includes('/picture/'),
  },
  {
    name: 'LCP of an image from another origin without Timing-Allow-Origin',
    subscriptions: all(),
    pages: {'/': {body: '<img src="ELSEWHERE/picture/300x200.bmp" alt="">'}},
    shows: (reports, records) => entries(records, 'largest-contentful-paint').at(-1).url.includes('/picture/') && of(reports, 'LCP').length === 1,
  },
  {
    name: 'LCP of a background image',
    subscriptions: all(),
    pages: {'/': {body: '<div style="width: 300px; height: 200px; background: url(/picture/300x200.bmp)"></div>'}},
    shows: (reports, records) => entries(records, 'largest-contentful-paint').at(-1).url.includes('/picture/') && of(reports, 'LCP').length === 1,
  },
  {
    name: "LCP of a video's poster",
    subscriptions: all(),
    pages: {'/': {body: '<video poster="/picture/300x200.bmp" width="300" height="200"></video>'}},
    act: async (visit) => {
      await visit.open();
      await entered(visit, 'largest-contentful-paint');
    },
    shows: (reports, records) => entries(records, 'largest-contentful-paint').at(-1).url.includes('/picture/') && of(reports, 'LCP').length === 1,
  },
  {
    name: 'LCP of an animated image',
    subscriptions: CHANGES,
    pages: {'/': {body: '<img src="/animation.gif" width="200" height="200" alt="">'}},
    act: async (visit) => {
      await visit.open();
      await entered(visit, 'largest-contentful-paint');
    },
    shows: (reports, records) => entries(records, 'largest-contentful-paint').at(-1).url.includes('/animation.gif') && of(reports, 'LCP').length === 1,
  },
  {
    name: 'LCP of an element that fades and slides in',
    subscriptions: CHANGES,
    pages: {
      '/': {
        head: '<style>@keyframes in { from { opacity: 0.1; transform: translateY(200px) } } #picture { animation: in 0.2s }</style>',
        body: TEXT + PICTURE,
      },
    },
    act: async (visit) => {
      await visit.open();
      await visit.run('document.querySelector("#picture").getAnimations()[0]?.finished.then(() => {})');
    },
    shows: (reports) => of(reports, 'LCP').length >= 1,
  },
  {
    name: 'LCP of an element that has been removed is kept',
    subscriptions: all(),
    pages: {'/': {body: TEXT + PICTURE}},
    act: async (visit) => {
      await visit.open();
      await visit.run('document.querySelector("#picture").remove()');
      await visit.settle();
    },
    shows: (reports, records) => entries(records, 'largest-contentful-paint').at(-1).url.includes('/picture/') && of(reports, 'LCP').length === 1,
  },
  {
    name: 'an image that is not displayed is no LCP',
    subscriptions: CHANGES,
    pages: {'/': {body: `${TEXT}<div style="display: none">${PICTURE}</div>`}},
    shows: (reports, records) => of(reports, 'LCP').length === 1 && entries(records, 'largest-contentful-paint').every(({url}) => !url),
  },
  {
    name: 'an iframe counts for itself alone',
    subscriptions: CHANGES,
    pages: {'/': {body: '<p>Host</p><iframe src="/framed" width="400" height="400"></iframe>'}, '/framed': {bare: true, body: PICTURE + TEXT}},
    shows: (reports, records) => of(reports, 'LCP').length >= 1 && entries(records, 'largest-contentful-paint').every(({url}) => !url),
  },
  {
    name: 'an iframe from another origin counts for itself alone',
    subscriptions: all(),
    pages: {'/': {body: '<p>Host</p><iframe src="ELSEWHERE/framed" width="400" height="400"></iframe>'}, '/framed': {bare: true, body: PICTURE + TEXT}},
    shows: (reports, records) => of(reports, 'LCP').length === 1 && entries(records, 'largest-contentful-paint').every(({url}) => !url),
  },
  {
    name: 'every larger paint is a change of LCP under reportAllChanges',
    subscriptions: CHANGES,
    pages: {'/': {body: `<p>Small</p>${MOVABLE}`}},
    act: async (visit) => {
      await visit.open();
      await add(visit, '<img src="/picture/300x200.bmp" alt="">');
      await entered(visit, 'largest-contentful-paint', 2);
      await visit.step('a picture');
      await add(visit, '<img src="/picture/500x400.bmp" alt="">');
      await entered(visit, 'largest-contentful-paint', 3);
    },
    shows: (reports) => of(reports, 'LCP').length === 3 && (last(reports, 'LCP')?.delta ?? 0) < (last(reports, 'LCP')?.value ?? 0),
  },
  {
    name: 'only the last paint is reported by default',
    subscriptions: all(),
    pages: {'/': {body: `<p>Small</p>${MOVABLE}`}},
    act: async (visit) => {
      await visit.open();
      await add(visit, '<img src="/picture/300x200.bmp" alt="">');
      await entered(visit, 'largest-contentful-paint', 2);
    },
    shows: (reports, records) => of(reports, 'LCP').length === 1 && entries(records, 'largest-contentful-paint').length === 2,
  },
  {
    name: 'a click makes LCP final, and a later, larger image comes too late',
    subscriptions: all(),
    pages: {'/': {body: TEXT + BUTTON + MOVABLE}},
    act: async (visit) => {
      await visit.open();
      await visit.click();
      await visit.step('clicked');
      await add(visit, '<img src="/picture/600x400.bmp" alt="">');
    },
    shows: (reports) => of(reports, 'LCP').length === 1,
  },
  {
    name: 'a key makes LCP final before the page is hidden',
    subscriptions: all(),
    pages: {'/': {body: TEXT}},
    act: async (visit) => {
      await visit.open();
      await visit.press('a');
      await visit.step('typed');
    },
    shows: (reports, records) => records.findIndex(({metric}) => metric?.name === 'LCP') < records.findIndex(({state}) => state === 'hidden'),
  },
  {
    name: 'scrolling does not make LCP final',
    subscriptions: all(),
    pages: {'/': {body: TEXT + TALL}},
    act: async (visit) => {
      await visit.open();
      await visit.tab.scroll(300);
      await visit.step('scrolled');
    },
    shows: (reports, records) => records.findIndex(({metric}) => metric?.name === 'LCP') > records.findIndex(({state}) => state === 'hidden'),
  },
  {
    name: 'a click made by a script does not make LCP final',
    subscriptions: all(),
    pages: {'/': {body: TEXT + BUTTON}},
    act: async (visit) => {
      await visit.open();
      await visit.run('document.querySelector("button").click()');
      await visit.step('clicked by script');
    },
    shows: (reports, records) => records.findIndex(({metric}) => metric?.name === 'LCP') > records.findIndex(({state}) => state === 'hidden'),
  },
  {
    name: 'input before anything is painted ends LCP before it begins',
    subscriptions: all(),
    pages: {'/': {body: '<div style="width: 100px; height: 100px; background: #eee"></div><script>add = (html) => { document.body.insertAdjacentHTML("afterbegin", html); return recorder.settled() }</script>'}},
    act: async (visit) => {
      await visit.open();
      await visit.press('a', 30);
      await visit.step('typed');
      await add(visit, TEXT);
      await entered(visit, 'paint', 2);
    },
    shows: (reports) => of(reports, 'FCP').length === 1 && of(reports, 'LCP').length === 0 && of(reports, 'FID').length === 1,
  },
];

/** @type {Scenario[]} */
const SHIFTS = [
  {
    name: 'shifts less than a second apart add up',
    subscriptions: all(),
    pages: {'/': {body: MOVABLE}},
    act: async (visit) => {
      await visit.open();
      await moves(visit, 30, 40);
    },
    shows: (reports) => last(reports, 'CLS')?.entries.length === 2,
  },
  {
    name: 'a shift just within a second of another joins its window',
    subscriptions: all(),
    pages: {'/': {body: MOVABLE}},
    act: async (visit) => {
      await visit.open();
      await moves(visit, 30);
      // Measured from the first shift itself, since the steps between take time of their own.
      await visit.run(() =>
        new Promise((resolve) => {
          new PerformanceObserver((list) => {
            const [{startTime}] = list.getEntries();
            setTimeout(() => /** @type {any} */ (globalThis).shift(40).then(resolve), startTime + 930 - performance.now());
          }).observe({type: 'layout-shift', buffered: true});
        }),
      );
    },
    // On a machine too busy for that they are as far apart as they say, and the windows too.
    shows: (reports, records) => {
      const [one, other] = shifts(records);
      const gap = other.startTime - one.startTime;
      return gap > 900 && last(reports, 'CLS')?.entries.length === (gap < 1000 ? 2 : 1);
    },
  },
  {
    name: 'shifts more than a second apart are windows of their own, and the largest counts',
    subscriptions: all(),
    pages: {'/': {body: MOVABLE}},
    act: async (visit) => {
      await visit.open();
      await moves(visit, 60, [1100], 20);
    },
    shows: (reports, records) => last(reports, 'CLS')?.entries.length === 1 && shifts(records).length === 2,
  },
  {
    name: 'a later, larger window replaces an earlier one',
    subscriptions: CHANGES,
    pages: {'/': {body: MOVABLE}},
    act: async (visit) => {
      await visit.open();
      await moves(visit, 20);
      await visit.step('the first window');
      await moves(visit, [1100], 60, 20);
    },
    shows: (reports) => of(reports, 'CLS').length >= 3 && last(reports, 'CLS')?.entries.length === 2,
  },
  {
    name: 'a window lasts less than five seconds, however dense its shifts',
    subscriptions: CHANGES,
    pages: {'/': {body: MOVABLE}},
    act: async (visit) => {
      await visit.open();
      for (let count = 0; count < 8; count++) await moves(visit, 10, [700]);
    },
    shows: (reports, records) => shifts(records).length === 8 && (last(reports, 'CLS')?.entries.length ?? 8) < 8 && (last(reports, 'CLS')?.entries.length ?? 0) > 5,
  },
  {
    name: 'shifts soon after input do not count',
    subscriptions: CHANGES,
    pages: {'/': {body: BUTTON + MOVABLE}},
    act: async (visit) => {
      await visit.open();
      await visit.run('document.querySelector("button").onclick = () => void shift(80)');
      await visit.click();
      await entered(visit, 'layout-shift');
    },
    shows: (reports, records) => shifts(records).some(({hadRecentInput}) => hadRecentInput) && last(reports, 'CLS')?.value === 0,
  },
  {
    name: 'a shift the observer has not delivered yet is taken at hide',
    subscriptions: all(),
    pages: {'/': {body: MOVABLE}},
    act: async (visit) => {
      await visit.open();
      await visit.run(() => {
        const {spacer} = /** @type {any} */ (globalThis);
        spacer.style.height = '90px';
        return new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
      });
      await visit.hide();
    },
    shows: (reports) => (last(reports, 'CLS')?.value ?? 0) > 0,
  },
  {
    name: 'shifts above a tenth need improvement, and above a quarter are poor',
    subscriptions: CHANGES,
    pages: {'/': {body: MOVABLE}},
    act: async (visit) => {
      await visit.open();
      for (let count = 0; count < 6; count++) await moves(visit, 120);
    },
    shows: (reports) => of(reports, 'CLS').some(({rating}) => rating === 'needs-improvement') && last(reports, 'CLS')?.rating === 'poor',
  },
  {
    name: 'a page hidden twice reports the CLS of each time, if it changed',
    subscriptions: all(),
    pages: {'/': {body: MOVABLE}},
    act: async (visit) => {
      await visit.open();
      await moves(visit, 30);
      await visit.hide();
      await visit.show();
      await visit.settle();
      await visit.hide();
      await visit.show();
      await moves(visit, 60);
    },
    shows: (reports) => of(reports, 'CLS').length === 2 && (last(reports, 'CLS')?.delta ?? 0) < (last(reports, 'CLS')?.value ?? 0),
  },
  {
    name: 'shifts before the first contentful paint count as soon as it has come',
    subscriptions: CHANGES,
    pages: {'/': {body: '<div id="spacer"></div><div style="height: 300px; background: #cde"></div><script>shift = (px) => { spacer.style.height = px + "px"; return recorder.settled() }; add = (html) => { document.body.insertAdjacentHTML("afterbegin", html); return recorder.settled() }</script>'}},
    act: async (visit) => {
      await visit.open();
      await moves(visit, 60);
      await visit.step('shifted, not painted');
      await add(visit, TEXT);
      await entered(visit, 'paint', 2);
    },
    shows: (reports, records) => (last(reports, 'CLS')?.entries.length ?? 0) > 0 && shifts(records)[0].startTime < (last(reports, 'FCP')?.value ?? 0),
  },
];

/** @type {Scenario[]} */
const INTERACTIONS = [
  {
    name: 'a slow click is INP, FID and the end of LCP',
    subscriptions: all(),
    pages: {'/': {body: TEXT + BUTTON}},
    act: async (visit) => {
      await visit.open();
      await visit.click('button', 80);
      await visit.step('clicked');
    },
    shows: (reports) => names(reports) === 'CLS FCP FID INP LCP TTFB' && (last(reports, 'INP')?.value ?? 0) >= 80,
  },
  {
    name: 'a quick click counts through the first input',
    subscriptions: all(),
    pages: {'/': {body: TEXT + BUTTON}},
    act: async (visit) => {
      await visit.open();
      await visit.click('button');
      await entered(visit, 'first-input');
    },
    shows: (reports) => of(reports, 'INP').length === 1,
  },
  {
    name: 'a key is an interaction',
    subscriptions: CHANGES,
    pages: {'/': {body: `${TEXT}<input autofocus>`}},
    act: async (visit) => {
      await visit.open();
      await visit.press('a', 30);
      await visit.press('b', 60);
    },
    shows: (reports) => last(reports, 'INP')?.entries.some((/** @type {any} */ {name}) => name.startsWith('key')) ?? false,
  },
  {
    name: 'a tap is an interaction',
    subscriptions: CHANGES,
    pages: {'/': {body: TEXT + BUTTON}},
    act: async (visit) => {
      await visit.open();
      await visit.tap('button', 60);
    },
    shows: (reports) => (last(reports, 'INP')?.value ?? 0) >= 60,
  },
  {
    name: 'a drag is an interaction',
    subscriptions: CHANGES,
    pages: {'/': {body: TEXT + BUTTON}},
    act: async (visit) => {
      await visit.open();
      await visit.tab.drag('h1', 90);
      await entered(visit, 'first-input');
      await visit.click('button', 50);
    },
    shows: (reports) => of(reports, 'INP').length >= 1,
  },
  {
    name: 'each slower interaction is a change of INP under reportAllChanges',
    subscriptions: CHANGES,
    pages: {'/': {body: TEXT + BUTTON}},
    act: async (visit) => {
      await visit.open();
      for (const burn of [50, 120, 30, 220]) {
        await visit.click('button', burn);
        await visit.step(`${burn} ms`);
      }
    },
    shows: (reports) => of(reports, 'INP').length >= 3 && last(reports, 'INP')?.rating === 'needs-improvement',
  },
  {
    name: 'an interaction above half a second is poor',
    subscriptions: all(),
    pages: {'/': {body: TEXT + BUTTON}},
    act: async (visit) => {
      await visit.open();
      await visit.click('button', 520);
    },
    shows: (reports) => last(reports, 'INP')?.rating === 'poor',
  },
  {
    name: 'the slowest of up to fifty interactions counts',
    subscriptions: all(),
    pages: {'/': {body: TEXT + BUTTON}},
    act: (visit) => clicks(visit, 20, [120]),
    shows: (reports) => (last(reports, 'INP')?.value ?? 0) >= 120,
  },
  {
    name: 'beyond fifty interactions the slowest does not count',
    subscriptions: all(),
    pages: {'/': {body: TEXT + BUTTON}},
    act: (visit) => clicks(visit, 55, [250, 120]),
    shows: (reports) => (last(reports, 'INP')?.value ?? 0) >= 120 && (last(reports, 'INP')?.value ?? 0) < 250,
  },
  {
    name: 'beyond a hundred interactions the slowest two do not count',
    subscriptions: all({durationThreshold: 16}),
    pages: {'/': {body: TEXT + BUTTON}},
    act: (visit) => clicks(visit, 105, [300, 230, 120]),
    shows: (reports) => (last(reports, 'INP')?.value ?? 0) >= 120 && (last(reports, 'INP')?.value ?? 0) < 230,
  },
  {
    name: 'INP may fall as interactions pass fifty under reportAllChanges',
    subscriptions: CHANGES,
    pages: {'/': {body: TEXT + BUTTON}},
    act: async (visit) => {
      await clicks(visit, 48, [200, 90]);
      await visit.step('48');
      await visit.click('button', 30);
      await visit.click('button', 30);
      await visit.click('button', 60);
      await visit.click('button', 60);
    },
    shows: (reports) => of(reports, 'INP').some(({delta}) => delta < 0),
  },
  {
    name: 'only the ten slowest interactions are remembered',
    subscriptions: CHANGES,
    pages: {'/': {body: TEXT + BUTTON}},
    act: async (visit) => {
      await visit.open();
      for (const burn of [40, 64, 88, 112, 136, 160, 184, 208, 232, 256, 280, 304]) await visit.click('button', burn);
    },
    // A busy machine may stretch an earlier one, and then the next is no change; yet some are.
    shows: (reports) => of(reports, 'INP').length > 2,
  },
  {
    name: 'a threshold of 16 ms lets quicker interactions count',
    subscriptions: [16, 40, 104, 500].flatMap((durationThreshold) => [{on: 'onINP', options: {durationThreshold, reportAllChanges: true}}]),
    pages: {'/': {body: TEXT + BUTTON}},
    act: async (visit) => {
      await visit.open();
      await visit.click('button');
      await entered(visit, 'first-input');
      await visit.step('a quick first');
      await visit.click('button', 20);
      await visit.step('quick');
      await visit.click('button', 60);
      await visit.step('slower');
      await visit.click('button', 150);
    },
    shows: (reports) => new Set(values(reports, 'INP')).size >= 2,
  },
  {
    name: 'a threshold of 0 is the least the browser gives',
    subscriptions: [{on: 'onINP', options: {durationThreshold: 0}}, {on: 'onINP', options: {durationThreshold: 0, reportAllChanges: true}}],
    pages: {'/': {body: TEXT + BUTTON}},
    act: async (visit) => {
      await visit.open();
      await visit.click('button');
      await visit.click('button', 20);
      await visit.click('button', 40);
    },
    shows: (reports) => of(reports, 'INP').length >= 2,
  },
  {
    name: 'an interaction not yet delivered is taken at hide',
    subscriptions: all(),
    pages: {'/': {body: TEXT + BUTTON}},
    act: async (visit) => {
      await visit.open();
      await visit.click('button', 50);
      await visit.run('recorder.burn = 150');
      await visit.tab.click('button');
      await visit.hide();
    },
    shows: (reports) => of(reports, 'INP').length >= 1,
    // web-vitals may finish its work of the hide before the browser has the entry; a beacon has it in any case.
    atLeast: {INP: 150},
  },
  {
    name: 'interactions after a first hide update INP at the next',
    subscriptions: all(),
    pages: {'/': {body: TEXT + BUTTON}},
    act: async (visit) => {
      await visit.open();
      await visit.click('button', 40);
      await visit.hide();
      await visit.show();
      await visit.click('button', 300);
    },
    shows: (reports) => of(reports, 'INP').length === 2 && (last(reports, 'INP')?.delta ?? 0) < (last(reports, 'INP')?.value ?? 0),
  },
  {
    name: 'a first input after a hide is no FID, yet an INP',
    subscriptions: all(),
    pages: {'/': {body: TEXT + BUTTON}},
    act: async (visit) => {
      await visit.open();
      await visit.hide();
      await visit.show();
      await visit.click('button', 60);
    },
    shows: (reports) => of(reports, 'FID').length === 0 && of(reports, 'INP').length === 1,
  },
  {
    name: 'a first input that waited for a long task has a FID in need of improvement',
    subscriptions: all(),
    pages: {'/': {body: TEXT + BUTTON}},
    act: async (visit) => {
      await visit.open();
      await visit.tab.click('button', () => {
        visit.run('recorder.mark("busy"); for (const end = Date.now() + 400; Date.now() < end; );');
        return visit.marked('busy');
      });
      await entered(visit, 'first-input');
    },
    shows: (reports) => last(reports, 'FID')?.rating !== 'good',
  },
  {
    name: 'no interaction, no INP and no FID',
    subscriptions: CHANGES,
    pages: {'/': {body: TEXT + TALL}},
    act: async (visit) => {
      await visit.open();
      await visit.tab.scroll(200);
    },
    shows: (reports) => names(reports) === 'CLS FCP LCP TTFB',
  },
  {
    name: 'without interaction ids there is no INP',
    // An API that the page removes concerns the shell, not the core.
    native: false,
    subscriptions: all(),
    pages: {'/': {head: '<script>delete PerformanceEventTiming.prototype.interactionId</script>', body: TEXT + BUTTON}},
    act: async (visit) => {
      await visit.open();
      await visit.click('button');
      await entered(visit, 'first-input');
    },
    shows: (reports) => of(reports, 'INP').length === 0 && of(reports, 'FID').length === 1,
  },
  {
    name: 'without an interaction count it is estimated from the ids',
    subscriptions: all(),
    pages: {'/': {head: '<script>delete Performance.prototype.interactionCount</script>', body: TEXT + BUTTON}},
    act: (visit) => clicks(visit, 60, [250, 120]),
    shows: (reports) => (last(reports, 'INP')?.value ?? 0) >= 120 && (last(reports, 'INP')?.value ?? 0) < 250,
  },
  {
    name: 'without idle callbacks interactions are handled in tasks',
    subscriptions: CHANGES,
    pages: {'/': {head: '<script>recorder.settled().then(() => recorder.mark("ready")); delete window.requestIdleCallback; delete window.cancelIdleCallback</script>', body: TEXT + BUTTON}},
    act: async (visit) => {
      await visit.open();
      await visit.click('button', 60);
    },
    shows: (reports) => names(reports) === 'CLS FCP FID INP LCP TTFB',
  },
];

/** Opens the page, clicks `count` times, the first times as slowly as given, and waits for the entries of the slow clicks. @param {Visit} visit @param {number} count @param {number[]} slow */
async function clicks(visit, count, slow) {
  await visit.open();
  for (const burn of slow) await visit.click('button', burn);
  await visit.run('recorder.burn = 0');
  for (let index = slow.length; index < count; index++) await visit.tab.click('button');
  await visit.settle();
}

/** @type {Scenario[]} */
const RESTORES = [
  {
    name: 'a page out of the bfcache starts every metric anew',
    subscriptions: all(),
    pages: {'/': {body: TEXT + BUTTON}},
    act: async (visit) => {
      await visit.open();
      await visit.click('button', 50);
      await visit.leaveAndReturn();
    },
    shows: (reports) => ['FCP', 'LCP', 'TTFB'].every((name) => last(reports, name)?.navigationType === 'back-forward-cache'),
  },
  {
    name: 'a page out of the bfcache counts its own shifts and interactions',
    subscriptions: all(),
    pages: {'/': {body: TEXT + BUTTON + MOVABLE}},
    act: async (visit) => {
      await visit.open();
      await moves(visit, 100);
      await visit.click('button', 150);
      await visit.leaveAndReturn();
      await moves(visit, 30);
      await visit.click('button', 50);
    },
    shows: (reports) => {
      const [first, second] = [of(reports, 'INP')[0], last(reports, 'INP')];
      return !!first && !!second && second.value < first.value && (last(reports, 'CLS')?.value ?? 0) < values(reports, 'CLS')[0];
    },
  },
  {
    name: 'a page out of the bfcache under reportAllChanges',
    subscriptions: CHANGES,
    pages: {'/': {body: TEXT + BUTTON + MOVABLE}},
    act: async (visit) => {
      await visit.open();
      await visit.leaveAndReturn();
      await visit.step('restored');
      await moves(visit, 30);
      await visit.step('shifted');
      await visit.click('button', 50);
    },
    shows: (reports) => names(reports.filter(({navigationType}) => navigationType === 'back-forward-cache')) === 'CLS FCP FID INP LCP TTFB',
  },
  {
    name: 'a page twice out of the bfcache has three of everything',
    subscriptions: all(),
    pages: {'/': {body: TEXT}},
    act: async (visit) => {
      await visit.open();
      await visit.leaveAndReturn();
      await visit.leaveAndReturn();
    },
    shows: (reports) => new Set(of(reports, 'LCP').map(({id}) => id)).size === 3,
  },
  {
    name: 'interactions too fast for an entry count as 8 ms after a restore',
    subscriptions: all(),
    pages: {'/': {body: TEXT + BUTTON}},
    act: async (visit) => {
      await visit.open();
      await visit.click('button', 60);
      await visit.leaveAndReturn();
      await visit.run('document.querySelector("button").focus()');
      await visit.press('a');
      await visit.press('b');
    },
    shows: (reports) => last(reports, 'INP')?.navigationType === 'back-forward-cache',
  },
  {
    name: 'a restored page that is hidden and shown goes on as it was',
    subscriptions: all(),
    pages: {'/': {body: TEXT + BUTTON + MOVABLE}},
    act: async (visit) => {
      await visit.open();
      await visit.leaveAndReturn();
      await visit.hide();
      await visit.show();
      await moves(visit, 40);
      await visit.click('button', 60);
    },
    shows: (reports) => of(reports, 'CLS').at(-1)?.navigationType === 'back-forward-cache' && (last(reports, 'CLS')?.value ?? 0) > 0,
  },
  {
    name: 'a page hidden in its first load reports all again once restored',
    subscriptions: all(),
    background: true,
    pages: {'/': {body: TEXT}},
    act: async (visit) => {
      await visit.open();
      await visit.show();
      await visit.settle();
      await visit.leaveAndReturn();
    },
    shows: (reports) => of(reports, 'FCP').length === 1 && last(reports, 'FCP')?.navigationType === 'back-forward-cache',
  },
  {
    name: 'a script that comes after the restore still knows the page as loaded',
    subscriptions: all(),
    pages: {'/': {observe: false, body: TEXT}},
    act: async (visit) => {
      await visit.go();
      await visit.marked('load');
      await visit.settle();
      await visit.leaveAndReturn();
      await visit.run('import("/observe.js")');
    },
    shows: (reports) => reports.length > 0,
  },
];

/** @type {Scenario[]} */
const PRERENDERS = [
  {
    name: 'a page activated after it was prerendered completely has values of 0',
    subscriptions: all(),
    pages: {'/': PRERENDERING(), '/next': {body: TEXT + BUTTON}},
    act: async (visit) => {
      await prerender(visit, async (page) => {
        await page.marked('observing');
        await page.marked('load');
      });
      await visit.click('button', 50);
    },
    shows: (reports) => reports.every(({navigationType}) => navigationType === 'prerender') && last(reports, 'TTFB')?.value === 0 && of(reports, 'INP').length === 1,
  },
  {
    name: 'a prerendered page under reportAllChanges',
    subscriptions: CHANGES,
    pages: {'/': PRERENDERING(), '/next': {body: TEXT + PICTURE + MOVABLE}},
    act: async (visit) => {
      await prerender(visit, async (page) => {
        await page.marked('observing');
        await page.marked('load');
      });
      await moves(visit, 40);
    },
    shows: (reports) => reports.every(({navigationType}) => navigationType === 'prerender') && names(reports) === 'CLS FCP LCP TTFB',
  },
  {
    name: 'a page activated while its pictures still load counts from activation',
    subscriptions: CHANGES,
    pages: {'/': PRERENDERING(), '/next': {body: `${TEXT}<img src="/picture/400x300.bmp?gate=prerendered" alt="">`}},
    act: async (visit) => {
      await prerender(visit, (page) => page.marked('observing'));
      visit.site.gate('prerendered').open();
      await visit.marked('load');
      await entered(visit, 'largest-contentful-paint', 2);
    },
    shows: (reports) => reports.every(({navigationType}) => navigationType === 'prerender') && of(reports, 'LCP').length === 2,
  },
  {
    name: 'a script that comes after activation finds a prerendered page',
    subscriptions: all(),
    pages: {'/': PRERENDERING(), '/next': {observe: false, body: TEXT}},
    act: async (visit) => {
      await prerender(visit, (page) => page.marked('load'));
      await visit.settle();
      await visit.run('import("/observe.js")');
    },
    shows: (reports) => reports.every(({navigationType}) => navigationType === 'prerender') && names(reports) === 'CLS FCP LCP TTFB',
  },
  {
    name: 'a prerendered page that is never visited reports nothing',
    subscriptions: CHANGES,
    pages: {'/': PRERENDERING(), '/next': {body: TEXT}},
    act: async (visit) => {
      await visit.go('/');
      visit.tab = await visit.tab.prerender;
      await visit.marked('observing');
      await visit.marked('load');
      await visit.settle();
    },
    shows: (reports, records) => reports.length === 0 && records.some(({name}) => name === 'observing'),
  },
];

function PRERENDERING() {
  return {observe: false, head: '<script type="speculationrules">{"prerender": [{"source": "list", "urls": ["/next"]}]}</script>', body: TEXT};
}

/** Waits until the prerendered page has reached a state, then activates it. @param {Visit} visit @param {(page: Visit) => Promise<void>} until */
async function prerender(visit, until) {
  await visit.go('/');
  const before = visit.tab;
  visit.tab = await before.prerender;
  await until(visit);
  await before.evaluate('setTimeout(() => (location.href = "/next"))');
  await visit.marked('prerenderingchange');
  await visit.settle();
}

/** @type {Scenario[]} */
const SOFT_NAVIGATIONS = [
  {
    name: 'a soft navigation closes the view before it and opens a new one',
    subscriptions: SOFT,
    pages: {'/': {body: APP}},
    act: async (visit) => {
      await visit.open();
      await visit.click();
      await entered(visit, 'soft-navigation');
      await visit.step('the second view');
    },
    shows: (reports) => names(reports.filter(({navigationType}) => navigationType === 'soft-navigation')).startsWith('CLS FCP') && of(reports, 'LCP').length === 2,
  },
  {
    name: 'soft navigations are ignored without reportSoftNavs',
    subscriptions: all(),
    pages: {'/': {body: APP}},
    act: async (visit) => {
      await visit.open();
      await visit.click();
      await entered(visit, 'soft-navigation');
    },
    shows: (reports) => reports.every(({navigationType}) => navigationType === 'navigate'),
  },
  {
    name: 'two soft navigations are two views, each with its own address and id',
    subscriptions: SOFT,
    pages: {'/': {body: APP}},
    act: async (visit) => {
      await visit.open();
      for (const count of [1, 2]) {
        await visit.click('button', 30);
        await entered(visit, 'soft-navigation', count);
        await visit.step(`view ${count}`);
      }
    },
    shows: (reports) => new Set(of(reports, 'FCP').map(({navigationURL}) => navigationURL)).size === 3 && new Set(of(reports, 'LCP').map(({navigationId}) => navigationId)).size === 3,
  },
  {
    name: 'each view of an application has its own shifts and interactions',
    subscriptions: SOFT,
    pages: {'/': {body: APP + BUTTON.replace('<button', '<button id="still"') + MOVABLE}},
    act: async (visit) => {
      await visit.open();
      await moves(visit, 40);
      await visit.click('#still', 120);
      await visit.step('before');
      await visit.click('button');
      await entered(visit, 'soft-navigation');
      await visit.step('after');
      await moves(visit, [600], 20);
      await visit.click('#still', 60);
    },
    shows: (reports) => last(reports, 'INP')?.navigationType === 'soft-navigation' && of(reports, 'CLS').length === 2 && of(reports, 'INP').length === 2,
  },
  {
    name: 'soft navigations under reportAllChanges',
    subscriptions: SOFT_CHANGES,
    pages: {'/': {body: APP + MOVABLE}},
    act: async (visit) => {
      await visit.open();
      await visit.click('button', 30);
      await entered(visit, 'soft-navigation');
      await visit.step('the second view');
      await moves(visit, [600], 20);
      await visit.click('button', 60);
      await entered(visit, 'soft-navigation', 2);
    },
    shows: (reports) => of(reports, 'LCP').filter(({navigationType}) => navigationType === 'soft-navigation').length >= 2,
  },
  {
    name: 'a picture painted late in a soft navigation is its LCP',
    subscriptions: SOFT_CHANGES,
    pages: {
      '/': {
        body: `<button>Next</button><main><p>First</p></main><script>
          document.querySelector('button').addEventListener('click', () => {
            history.pushState({}, '', '/soft/picture');
            document.querySelector('main').innerHTML = '<h1>Second</h1><img src="/picture/400x300.bmp?gate=soft" width="400" height="300" alt="">';
          });</script>`,
      },
    },
    act: async (visit) => {
      await visit.open();
      await visit.click();
      await entered(visit, 'soft-navigation');
      await visit.step('text');
      visit.site.gate('soft').open();
      await entered(visit, 'interaction-contentful-paint', 2);
    },
    shows: (reports) => of(reports, 'LCP').filter(({navigationType}) => navigationType === 'soft-navigation').length >= 2,
  },
  {
    name: 'interactions too fast for an entry count as 8 ms in a soft navigation',
    subscriptions: SOFT,
    pages: {'/': {body: APP}},
    act: async (visit) => {
      await visit.open();
      await visit.click();
      await entered(visit, 'soft-navigation');
      await visit.step('the second view');
      await visit.press('a');
      await visit.press('b');
    },
    shows: (reports) => of(reports, 'INP').length >= 1,
  },
  {
    name: 'a soft navigation after a hide is a visible view again',
    subscriptions: SOFT,
    pages: {'/': {body: APP}},
    act: async (visit) => {
      await visit.open();
      await visit.hide();
      await visit.show();
      await visit.click();
      await entered(visit, 'soft-navigation');
      await visit.step('the second view');
    },
    shows: (reports) => of(reports, 'LCP').at(-1)?.navigationType === 'soft-navigation',
  },
  {
    name: 'a restore after a soft navigation keeps the view it restores',
    subscriptions: SOFT,
    pages: {'/': {body: APP}},
    act: async (visit) => {
      await visit.open();
      await visit.click();
      await entered(visit, 'soft-navigation');
      await visit.leaveAndReturn();
      await visit.step('restored');
      await visit.click('button', 40);
      await entered(visit, 'soft-navigation', 2);
    },
    shows: (reports) => of(reports, 'FCP').some(({navigationType}) => navigationType === 'back-forward-cache') && last(reports, 'FCP')?.navigationType === 'soft-navigation',
  },
  {
    name: 'a late script finds the soft navigations it missed',
    subscriptions: SOFT,
    pages: {'/': {observe: false, body: APP}},
    act: async (visit) => {
      await visit.go();
      await visit.marked('load');
      await visit.settle();
      await visit.click('button', 30);
      await entered(visit, 'soft-navigation');
      await visit.run('import("/observe.js")');
    },
    shows: (reports) => of(reports, 'FCP').length === 2,
  },
];

/** @type {Scenario[]} */
const SUBSCRIPTIONS = [
  {
    name: 'subscriptions to one metric with different options are independent',
    subscriptions: ['onLCP', 'onCLS', 'onINP', 'onFCP', 'onTTFB', 'onFID'].flatMap((on) => [{}, {reportAllChanges: true}, {}].map((options) => ({on, options}))),
    pages: {'/': {body: TEXT + BUTTON + MOVABLE}},
    act: async (visit) => {
      await visit.open();
      await moves(visit, 30);
      await visit.step('shifted');
      await add(visit, '<img src="/picture/300x200.bmp" alt="">');
      await entered(visit, 'largest-contentful-paint', 2);
      await visit.click('button', 60);
      await visit.step('clicked');
      await visit.click('button', 120);
    },
    shows: (reports) => new Set(of(reports, 'CLS').map(({id}) => id)).size === 3 && of(reports, 'INP').length > 3,
  },
  {
    name: 'a restore reaches every subscription',
    subscriptions: ['onLCP', 'onCLS', 'onINP'].flatMap((on) => [{}, {reportAllChanges: true}].map((options) => ({on, options}))),
    pages: {'/': {body: TEXT + BUTTON}},
    act: async (visit) => {
      await visit.open();
      await visit.click('button', 60);
      await visit.leaveAndReturn();
      await visit.click('button', 40);
    },
    shows: (reports) => new Set(of(reports, 'LCP').map(({id}) => id)).size === 4,
  },
  {
    name: 'one metric alone needs no other',
    subscriptions: [{on: 'onCLS', options: {}}],
    pages: {'/': {body: MOVABLE}},
    act: async (visit) => {
      await visit.open();
      await moves(visit, 30);
    },
    shows: (reports) => names(reports) === 'CLS',
  },
  {
    name: 'reportSoftNavs of one subscription does not affect another',
    subscriptions: ['onLCP', 'onCLS', 'onINP', 'onFCP'].flatMap((on) => [{}, {reportSoftNavs: true}].map((options) => ({on, options}))),
    pages: {'/': {body: APP}},
    act: async (visit) => {
      await visit.open();
      await visit.click('button', 30);
      await entered(visit, 'soft-navigation');
      await visit.step('the second view');
      await visit.press('a', 50);
    },
    shows: (reports) => of(reports, 'LCP').length === 3,
  },
];

/** @type {Scenario[]} */
export const scenarios = [...LOADS, ...LARGEST, ...SHIFTS, ...INTERACTIONS, ...RESTORES, ...PRERENDERS, ...SOFT_NAVIGATIONS, ...SUBSCRIPTIONS];
