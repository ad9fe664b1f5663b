//! The client in Firefox and WebKit: its reports and beacons beside web-vitals' on the same page loads, in each way of
//! leaving that a driver can take, and under policies that refuse WebAssembly or the beacon.

import assert from 'node:assert/strict';
import {after, afterEach, before, beforeEach, describe, test} from 'node:test';
import {fileURLToPath} from 'node:url';
import {toWire} from '../parity/compare.mjs';
import {Site, WITHOUT_WASM} from '../parity/site.mjs';
import {launch} from './engine.mjs';

/** The metrics that each engine tells. */
const TOLD = {Firefox: ['FCP', 'FID', 'INP', 'LCP', 'TTFB'], WebKit: ['FCP', 'TTFB']};

/** Both libraries in one task, and beacons. The clock stands still within a task, so that both read one time. */
const BODY = `<meta charset="utf-8"><title>A page</title><link rel="icon" href="data:,">
<h1>A heading of a page</h1><p>And a paragraph below it.</p><button>Press</button><a href="/other">Away</a>
<img src="/picture/300x200.bmp" width="300" height="200" alt="">
<script>
  const now = performance.now.bind(performance);
  let stopped;
  performance.now = () => {
    if (stopped === undefined) {
      stopped = now();
      setTimeout(() => (stopped = undefined));
    }
    return stopped;
  };
  addEventListener('pageshow', ({persisted}) => persisted && navigator.sendBeacon('/restored'));
  errors = [];
  for (const type of ['error', 'unhandledrejection']) addEventListener(type, ({message, reason}) => errors.push(String(message ?? reason)));
  document.querySelector('button').addEventListener('click', () => {
    for (const until = now() + 60; now() < until; );
  });
</script>
<script type="module">
  import * as vitals from '/reference/web-vitals.js';
  import {onFID} from '/reference/fid.js';
  import * as client from '/candidate/index.js';
  import {start, view} from '/candidate/start.js';
  const libraries = {theirs: {...vitals, onFID}, ours: client};
  if (isRefused) await Promise.all([import('/candidate/fallback.js'), import('/candidate/start-fallback.js')]);
  start({endpoint: '/beacon', site: 'portal'});
  for (const reportAllChanges of [true, false]) {
    for (const on of ['onFCP', 'onLCP', 'onCLS', 'onINP', 'onTTFB', 'onFID']) {
      for (const [library, {[on]: subscribe}] of Object.entries(libraries)) {
        subscribe(({name, value, delta, rating, navigationType, entries}) => {
          const reports = JSON.parse(sessionStorage.reports ?? '[]');
          const times = entries.map(({entryType, startTime, duration}) => [entryType, startTime, duration]);
          reports.push({library, reportAllChanges, name, value, delta, rating, navigationType, times});
          sessionStorage.reports = JSON.stringify(reports);
        }, {reportAllChanges});
      }
    }
  }
  Object.assign(globalThis, {view, isObserving: true});
</script>`;

/** @type {(one: any, other: any) => number} */
const bySubscription = (one, other) => one.name.localeCompare(other.name) || Number(one.reportAllChanges) - Number(other.reportAllChanges);

const SETTLED = `
  for (let frame = 0; frame < 3; frame++) await new Promise((resolve) => requestAnimationFrame(resolve));
  await new Promise((resolve) => (globalThis.requestIdleCallback ?? setTimeout)(resolve));
  await new Promise((resolve) => setTimeout(resolve));`;

for (const name of /** @type {const} */ (['Firefox', 'WebKit'])) {
  describe(name, () => {
    /** @type {import('./engine.mjs').Engine} */
    let engine;
    /** @type {Site} */
    let site;

    before(async () => void (engine = await launch(name)));
    after(() => engine?.close());
    beforeEach(async () => {
      site = await Site.open(fileURLToPath(new URL('../../pkg/dist/index.js', import.meta.url)));
      serve();
      site.put('/other', {bare: true, body: '<title>Another page</title><p>Another page', subscriptions: []});
    });
    afterEach(() => site.close());

    /** @param {string} [policy] */
    const serve = (policy) =>
      site.put('/', {
        bare: true,
        subscriptions: [],
        body: `<script>isRefused = ${policy === WITHOUT_WASM}</script>${BODY}`,
        headers: policy ? {'content-security-policy': policy} : {},
      });

    /** Opens the page and waits until it is observed, painted and loaded. */
    const open = async () => {
      await engine.goto(`${site.origin}/other`);
      await engine.evaluate('sessionStorage.clear()');
      await engine.goto(`${site.origin}/?slow=30`);
      await engine.evaluate(`
        while (!globalThis.isObserving || document.readyState !== 'complete') await new Promise((resolve) => setTimeout(resolve, 10));
        if (!performance.getEntriesByName('first-contentful-paint')[0]) await new Promise((resolve) => new PerformanceObserver((list) => list.getEntriesByName('first-contentful-paint')[0] && resolve()).observe({type: 'paint', buffered: true}));
        ${SETTLED}`);
    };

    /** Waits until a document of this path is there. @param {string} path */
    const arrived = async (path) => {
      while ((await engine.evaluate('return location.pathname').catch(() => undefined)) !== path) await new Promise((resolve) => setTimeout(resolve, 10));
    };

    const press = async () => {
      await engine.click('button');
      await engine.evaluate(SETTLED);
    };

    /** The beacons so far, of those that the page has sent. @param {number} count */
    const beacons = async (count) => {
      while (posted('/beacon').length < count) await new Promise((resolve) => setTimeout(resolve, 10));
      return posted('/beacon').map(({body}) => JSON.parse(body));
    };

    /** @param {string} path */
    const posted = (path) => site.posts.filter((post) => post.path === path);

    /** The reports of each library on the pages so far, by subscription: those of several come in the order of the browser's tasks. @returns {Promise<Record<'theirs' | 'ours', any[]>>} */
    const reports = async () => {
      const all = JSON.parse(await engine.evaluate('return sessionStorage.reports ?? "[]"'));
      const of = (/** @type {string} */ library) => all.filter((/** @type {any} */ row) => row.library === library).map((/** @type {any} */ {library, ...report}) => report).sort(bySubscription);
      return {theirs: of('theirs'), ours: of('ours')};
    };

    const METRICS = TOLD[name];

    for (const [title, policy] of [['reports and beacons equal web-vitals\'', undefined], ['they do so where WebAssembly is refused', WITHOUT_WASM]]) {
      test(/** @type {string} */ (title), {timeout: 20_000}, async () => {
        serve(policy);
        await open();
        await press();
        await engine.goto(`${site.origin}/other`);
        const {theirs, ours} = await reports();
        assert.deepEqual(ours, theirs);
        const last = theirs.filter(({reportAllChanges}) => !reportAllChanges);
        assert.deepEqual([...new Set(last.map(({name}) => name))].sort(), METRICS);
        const beacon = (await beacons(1)).at(-1);
        assert.deepEqual([beacon.m, beacon.lost], [Object.fromEntries(Object.keys(beacon.m).map((name) => [name, toWire(last.findLast((report) => report.name === name))])), undefined]);
        assert.deepEqual(Object.keys(beacon.m).sort(), METRICS);
      });
    }

    const WAYS = {
      'by another address': () => engine.goto(`${site.origin}/other`),
      'by a link': async () => {
        await engine.click('a');
        await arrived('/other');
      },
      'by a reload': () => engine.reload(),
      // The driver of WebKit shows no tab before another.
      ...(name === 'Firefox' && {'by another tab': () => engine.cover()}),
      'by closing the tab': () => engine.leave(),
    };
    for (const [way, leave] of Object.entries(WAYS)) {
      test(`a page left ${way} has sent its view`, {timeout: 20_000}, async () => {
        await open();
        await leave();
        const [beacon] = await beacons(1);
        assert.deepEqual([beacon.view, beacon.seq, beacon.lost], [0, 0, undefined]);
        assert.ok(beacon.m.FCP > 0 && beacon.m.TTFB > 0, JSON.stringify(beacon));
      });
    }

    test('a page that comes back is another view', {timeout: 20_000}, async () => {
      await open();
      await engine.goto(`${site.origin}/other`);
      await engine.evaluate(`setTimeout(() => history.back())`);
      while (!posted('/restored')[0]) await new Promise((resolve) => setTimeout(resolve, 10));
      await engine.evaluate(SETTLED);
      await engine.evaluate(`setTimeout(() => location.assign('/other'))`);
      const sent = await beacons(2);
      const {theirs, ours} = await reports();
      assert.deepEqual(ours, theirs);
      assert.deepEqual(sent.map(({view, nav}) => [view, nav]), [[0, 'navigate'], [1, 'back-forward-cache']]);
      const last = theirs.filter(({navigationType, reportAllChanges}) => navigationType === 'back-forward-cache' && !reportAllChanges);
      assert.deepEqual(sent[1].m, Object.fromEntries(Object.keys(sent[1].m).map((name) => [name, toWire(last.findLast((report) => report.name === name))])));
    });

    test('a declared view is a view of its own, and not lost though nothing may be measured', {timeout: 20_000}, async () => {
      await open();
      await engine.evaluate(`history.pushState({}, '', '/next'); view('/next'); ${SETTLED}`);
      await engine.evaluate(`history.pushState({}, '', '/last'); view('/last'); ${SETTLED}`);
      await engine.goto(`${site.origin}/other`);
      const sent = await beacons(3);
      assert.deepEqual(sent.map(({view, nav, path, route}) => [view, nav, path, route]), [
        [0, 'navigate', '/', undefined],
        [1, 'view', '/next', '/next'],
        [2, 'view', '/last', '/last'],
      ]);
      assert.deepEqual(sent.slice(1).map(({m, lost}) => [m, lost]), [[{}, undefined], [{}, undefined]]);
    });

    test('a policy that refuses the beacon breaks nothing', {timeout: 20_000}, async () => {
      serve("connect-src 'none'");
      await open();
      await press();
      await engine.evaluate(`view('/next'); ${SETTLED}`);
      assert.deepEqual(await engine.evaluate('return errors'), []);
      assert.deepEqual(site.posts, []);
    });
  });
}
