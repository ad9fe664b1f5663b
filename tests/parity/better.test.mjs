//! The places where the candidate is right and web-vitals is not, each shown by a visit or by entries on which
//! web-vitals fails.

import assert from 'node:assert/strict';
import {after, before, describe, test} from 'node:test';
import {fileURLToPath} from 'node:url';
import {byEnd} from '../../pkg/src/page.js';
import {Browser} from './browser.mjs';
import {Site} from './site.mjs';
import {record} from './visit.mjs';

describe('where web-vitals fails', () => {
  /** @type {Browser} */
  let browser;
  before(async () => void (browser = await Browser.launch()));
  after(() => browser.close());

  test('an interaction that still waits for an idle moment is in the INP that is reported when the page is hidden', async () => {
    const scenario = /** @type {import('./scenarios.mjs').Scenario} */ ({
      name: 'a page that is never idle',
      subscriptions: [{on: 'onINP', options: {}}],
      // The recorder has taken the function before.
      pages: {'/': {head: '<script>window.requestIdleCallback = () => 0</script>', body: '<h1>A heading</h1><button>Press</button>'}},
      act: async (visit) => {
        await visit.open();
        await visit.click('button', 60);
      },
      shows: () => true,
    });
    const site = await Site.open(fileURLToPath(new URL('../../pkg/dist/index.js', import.meta.url)));
    try {
      const records = await record(browser, site, scenario);
      const reported = (/** @type {string} */ library) => records.filter((row) => row.kind === 'report' && row.library === library).map(({metric}) => metric.value);
      assert.deepEqual(reported('reference'), []);
      assert.equal(reported('candidate').length, 1);
      assert.ok(reported('candidate')[0] >= 56, String(reported('candidate')));
    } finally {
      site.close();
    }
  });

  test('a click comes before the soft navigation that it caused, though its rounded duration ends later', () => {
    const click = /** @type {ObservedEntry} */ ({entryType: 'event', name: 'click', startTime: 100, duration: 48, interactionId: 7});
    const navigation = /** @type {ObservedEntry} */ ({entryType: 'soft-navigation', name: '/a', startTime: 100, duration: 45.9, interactionId: 7});
    const next = /** @type {ObservedEntry} */ ({entryType: 'event', name: 'click', startTime: 120, duration: 32, interactionId: 14});
    // As web-vitals sorts.
    const sorted = [click, navigation, next].sort((one, other) => one.startTime + one.duration - other.startTime - other.duration);
    assert.deepEqual(sorted, [navigation, click, next]);
    assert.deepEqual([navigation, next, click].sort(byEnd), [click, navigation, next]);
  });
});
