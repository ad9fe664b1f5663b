//! The beacons of the smallest build say what web-vitals says: on each page load, the last beacon of a
//! view carries every value that web-vitals last reported of it, and no other.

import assert from 'node:assert/strict';
import {after, before, describe, test} from 'node:test';
import {fileURLToPath} from 'node:url';
import {Browser} from './browser.mjs';
import {reported} from './compare.mjs';
import {scenarios} from './scenarios.mjs';
import {Site} from './site.mjs';
import {record} from './visit.mjs';

/** A beacon has every metric, only final values, and comes when the page is hidden: a page that nobody ever saw is not. */
const whole = scenarios.filter(
  ({name, subscriptions, background, act}) => (act || !background) && subscriptions.length === 6 && subscriptions.every(({options}) => Object.keys(options).length === 0) && name.includes(process.env.ONLY ?? ''),
);

describe('the smallest build says what web-vitals says', () => {
  /** @type {Browser} */
  let browser;
  before(async () => void (browser = await Browser.launch()));
  after(() => browser.close());

  test('there are page loads of every kind', () => assert.ok(whole.length >= 25 || process.env.ONLY, `only ${whole.length}`));

  for (const scenario of whole) {
    test(scenario.name, {timeout: 20_000}, async () => {
      const site = await Site.open(fileURLToPath(new URL('../../pkg/dist/start.js', import.meta.url)));
      try {
        const told = await record(browser, site, scenario, '/candidates/start.js');
        assert.ok(scenario.shows(reported(told), told), 'the visit did not show it');
        assert.deepEqual(sent(told), expected(told));
      } finally {
        site.close();
      }
    });
  }
});

/** What the last beacon of each view carries. @param {any[]} told */
function sent(told) {
  /** @type {Record<string, object>} */
  const views = {};
  for (const {name, page, beacon} of told) if (name === 'beacon') views[`${page} ${beacon.view}`] = {nav: beacon.nav, ...beacon.m};
  return views;
}

/** The same by web-vitals: the last value of each metric of each view, in whole numbers. @param {any[]} told */
function expected(told) {
  /** @type {Record<string, Record<string, unknown>>} */
  const views = {};
  /** @type {Record<string, number>} */
  const restores = {};
  for (const {kind, library, name, page, persisted, metric} of told) {
    // A script that comes after a restore knows nothing of it.
    if (name === 'observing') restores[page] = 0;
    if (name === 'pageshow' && persisted) restores[page] = (restores[page] ?? 0) + 1;
    if (kind !== 'report' || library !== 'reference') continue;
    const view = (views[`${page} ${restores[page] ?? 0}`] ??= {nav: metric.navigationType});
    view[metric.name] = Math.max(0, Math.ceil(metric.value * (metric.name === 'CLS' ? 10_000 : 1) - 1e-6));
  }
  return views;
}
