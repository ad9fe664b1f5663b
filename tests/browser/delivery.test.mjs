//! Delivery of page views to a real endpoint, by the way of leaving the page: ours,
//! `start({endpoint})`, and web-vitals with the recipe of its README (collect, and sendBeacon when the
//! page is hidden), on the same page views. Prints the share lost; `VISITS` sets the number of visits
//! of each kind.

import assert from 'node:assert/strict';
import {resolve} from 'node:path';
import {after, describe, test} from 'node:test';
import {fileURLToPath} from 'node:url';
import {Browser} from '../parity/browser.mjs';
import {Site} from '../parity/site.mjs';
import {Visit} from '../parity/visit.mjs';

const client = resolve(process.env.CANDIDATE ?? fileURLToPath(new URL('../../pkg/dist/index.js', import.meta.url)));
const visits = Number(process.env.VISITS ?? 5);

/** @type {{way: string, spare: number, repeats?: boolean, leave: (visit: Visit, browser: Browser) => Promise<unknown>}[]} `spare`: the share of our visits that may be lost; `repeats`: duplicates are allowed */
const WAYS = [
  {way: 'closed', spare: 0, leave: (visit) => visit.tab.close()},
  {way: 'left for another page', spare: 0, leave: (visit) => visit.go('/other')},
  {way: 'left for another origin', spare: 0, leave: (visit) => visit.tab.goto(`${visit.site.elsewhere}/other`)},
  {way: 'hidden behind another tab', spare: 0, leave: (visit) => visit.hide()},
  {way: 'reloaded', spare: 0, leave: (visit) => visit.tab.reload().then(() => visit.tab.until((events) => events.filter(({kind}) => kind === 'start').length === 2))},
  {way: 'left and restored', spare: 0, leave: (visit) => visit.leaveAndReturn()},
  // Only the browser itself is left to send, with the requests that the page deferred to it.
  {way: 'crashed', spare: 0, leave: crash},
  // The browser may send a deferred request at the very moment at which the page withdraws it and sends
  // the beacon itself: a duplicate, which the Worker counts once.
  {way: 'closed with the browser', spare: 1, repeats: true, leave: (visit, browser) => waitUntilDeferred(visit).then(() => browser.close())},
  {way: 'killed with the browser', spare: 1, leave: (visit, browser) => waitUntilDeferred(visit).then(() => browser.kill())},
];

describe('a view is counted for every way of leaving the page', () => {
  /** @type {{way: string, ours: number, theirs: number, whole: number}[]} */
  const table = [];

  for (const {way, spare, repeats, leave} of WAYS) {
    test(way, {timeout: 60_000 + visits * 5_000}, async () => {
      const lost = {way, ours: 0, theirs: 0, whole: 0};
      for (let count = 0; count < visits; count++) {
        const {ours, theirs} = await visit(leave);
        const sends = ours.map(({id, view, seq}) => `${id} ${view} ${seq}`);
        if (repeats) assert.equal(new Set(ours.map(({age, ...rest}) => JSON.stringify(rest))).size, new Set(sends).size, `one sequence number with two contents: ${JSON.stringify(ours)}`);
        else assert.equal(new Set(sends).size, sends.length, `a beacon was sent twice: ${sends}`);
        if (ours.length === 0) lost.ours++;
        if (theirs.length === 0) lost.theirs++;
        if (!ours.some(({m}) => ['FCP', 'LCP', 'CLS', 'INP', 'TTFB'].every((name) => name in m))) lost.whole++;
      }
      table.push(lost);
      assert.ok(lost.ours <= lost.theirs, `${lost.ours} of ${visits} views lost, ${lost.theirs} with web-vitals and its recipe`);
      assert.ok(lost.ours <= spare * visits, `${lost.ours} of ${visits} views lost`);
    });
  }

  after(() => {
    const share = (/** @type {number} */ count) => `${((100 * count) / visits).toFixed(0)} %`;
    console.log(`views lost, of ${visits} each:   way · ours · (ours without all five vitals) · web-vitals + sendBeacon`);
    for (const {way, ours, theirs, whole} of table) console.log(`  ${way} · ${share(ours)} · (${share(whole)}) · ${share(theirs)}`);
  });
});

/** Makes one view with all vitals and leaves it in that way. @param {(visit: Visit, browser: Browser) => Promise<unknown>} leave @returns {Promise<{ours: {id: string, view: number, seq: number, age: number, m: object}[], theirs: unknown[]}>} */
async function visit(leave) {
  const site = await Site.open(client);
  site.put('/', PAGE);
  site.put('/other', {observe: false, subscriptions: [], body: '<p>Another page'});
  // A browser for each visit: once it has ended, no request of the visit is pending.
  const browser = await Browser.launch();
  try {
    const window = await browser.window();
    const visit = new Visit(window, site, await window.open(false));
    await visit.go();
    await visit.marked('ready');
    await visit.marked('load');
    await visit.settle();
    await visit.click('button', 50);
    site.posts.length = 0;

    await leave(visit, browser);
    if (browser.child.exitCode === null && browser.child.signalCode === null) {
      // Requests of the page precede those of another page from now on.
      await window.spare.goto(`${site.origin}/other`);
      await window.spare.until((events) => events.find(({name}) => name === 'load'));
      for (let round = 0; round < 5; round++) await window.spare.evaluate('fetch("/fence", {method: "POST", body: ""}).then(() => {})');
      await browser.kill();
    }
    await site.deserted();
    return {
      ours: site.posts.filter(({path}) => path === '/ours').map(({body}) => JSON.parse(body)),
      theirs: site.posts.filter(({path}) => path === '/theirs').map(({body}) => JSON.parse(body)),
    };
  } finally {
    if (browser.child.exitCode === null && browser.child.signalCode === null) await browser.kill();
    site.close();
  }
}

/** Waits until the browser has the deferred request with the latest values; a value of a moment ago would be lost with the page. @param {Visit} visit */
const waitUntilDeferred = (visit) => visit.marked('armed', {whole: true});

/** @param {Visit} visit */
async function crash(visit) {
  await waitUntilDeferred(visit);
  await visit.tab.send('Inspector.enable');
  const crashed = visit.tab.event('Inspector.targetCrashed');
  visit.tab.goto('chrome://crash').catch(() => {});
  await crashed;
}

const PAGE = {
  observe: false,
  subscriptions: [],
  head: `<script>
    const later = globalThis.fetchLater;
    globalThis.fetchLater = (url, options) => {
      recorder.mark('armed', {whole: options.body.includes('INP')});
      return later(url, options);
    };
  </script>
  <script type="module">
    import {start} from '/candidate/${client.split('/').at(-1)}';
    import {onCLS, onFCP, onINP, onLCP, onTTFB} from '/reference/web-vitals.js';

    start({endpoint: '/ours', site: 'portal'});

    const queue = new Set();
    for (const on of [onCLS, onFCP, onINP, onLCP, onTTFB]) on((metric) => queue.add(metric));
    addEventListener('visibilitychange', () => {
      if (document.visibilityState !== 'hidden' || queue.size === 0) return;
      navigator.sendBeacon('/theirs', JSON.stringify([...queue]));
      queue.clear();
    });
    recorder.mark('ready');
  </script>`,
  body: '<h1>A heading</h1><p>And text.</p><button>Press</button>',
};
