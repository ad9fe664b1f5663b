//! The beacons of the smallest build, compared with web-vitals: the last beacon of each view carries the last
//! value that web-vitals reported of each metric, and no other. Soft navigations are compared with both builds,
//! and each is one view, however it was declared.

import assert from 'node:assert/strict';
import {after, before, describe, test} from 'node:test';
import {fileURLToPath} from 'node:url';
import {Browser} from './browser.mjs';
import {comparedBeacons, reported, sentBeacons, viewsOf} from './compare.mjs';
import {scenarios} from './scenarios.mjs';
import {softNavigations} from './soft_navigations.mjs';
import {Site} from './site.mjs';
import {record} from './visit.mjs';

/** The scenarios with every metric, without options, and on a page that is visible at some time, so that it is hidden later. */
const selected = scenarios.filter(
  ({name, subscriptions, background, act}) => (act || !background) && subscriptions.length === 6 && subscriptions.every(({options}) => Object.keys(options).length === 0) && name.includes(process.env.ONLY ?? ''),
);

describe('the beacons of the smallest build equal the reports of web-vitals', () => {
  /** @type {Browser} */
  let browser;
  before(async () => void (browser = await Browser.launch()));
  after(() => browser.close());

  test('enough scenarios are selected', () => assert.ok(selected.length >= 25 || process.env.ONLY, `only ${selected.length}`));

  for (const scenario of selected) {
    test(scenario.name, {timeout: 20_000}, async () => {
      const site = await Site.open(fileURLToPath(new URL('../../pkg/dist/start.js', import.meta.url)));
      try {
        const records = await record(browser, site, scenario, '/candidates/start.js');
        assert.ok(scenario.shows(reported(records), records), 'the visit did not go as the scenario claims');
        const {sent, expected} = comparedBeacons(scenario, records);
        assert.deepEqual(sent, expected);
      } finally {
        site.close();
      }
    });
  }
});

for (const build of ['start', 'index']) {
  describe(`the views of soft navigations in ${build}.js are those of web-vitals`, () => {
    /** @type {Browser} */
    let browser;
    before(async () => void (browser = await Browser.launch()));
    after(() => browser.close());

    for (const scenario of softNavigations.filter(({name}) => name.includes(process.env.ONLY ?? ''))) {
      test(scenario.name, {timeout: 20_000}, async () => {
        const site = await Site.open(fileURLToPath(new URL('../../pkg/dist/start.js', import.meta.url)));
        try {
          const records = await record(browser, site, scenario, `/candidates/start.js?build=${build}&soft`);
          assert.ok(scenario.shows(reported(records), records), 'the visit did not go as the scenario claims');
          /** @type {any[]} */
          const views = Object.values(sentBeacons(records));
          const expected = viewsOf(reported(records));
          for (const metric of scenario.without ?? []) for (const [view] of [views, expected]) delete view[metric];
          // The last version of web-vitals with FID did not support soft navigations.
          assert.deepEqual(views.filter(({nav}) => nav !== 'view').map(({FID, ...view}) => view), expected);
          const {alone = 0} = scenario;
          assert.equal(views.filter(({nav}) => nav === 'view').length, typeof alone === 'number' ? alone : alone(reported(records)), 'declared views that the browser did not report');
        } finally {
          site.close();
        }
      });
    }
  });
}
