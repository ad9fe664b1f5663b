//! The harness detects every fault in faulty copies of web-vitals. The control of each visit shows that it
//! detects none in a faultless copy.

import assert from 'node:assert/strict';
import {after, before, describe, test} from 'node:test';
import {Browser} from './browser.mjs';
import {scenarios} from './scenarios.mjs';
import {compareVisit} from './visit.mjs';

/** @type {Browser} */
let browser;
before(async () => void (browser = await Browser.launch()));
after(() => browser.close());

describe('the harness detects a fault', () => {
  const quiet = 'a page with text reports FCP and TTFB on load';
  for (const [fault, where, words] of [
    ['value', quiet, 'value: web-vitals'],
    ['delta', 'every larger paint is a change of LCP', 'delta: web-vitals'],
    ['rating', 'TTFB of a slow server', 'rating: web-vitals "needs-improvement", candidate "good"'],
    ['type', 'a reload has the navigation type reload', 'navigationType: web-vitals "reload", candidate "navigate"'],
    ['url', 'two soft navigations are two views', 'navigationURL: web-vitals'],
    ['one-id', 'a page out of the bfcache starts every metric anew', 'id: web-vitals 1, candidate 0'],
    ['one-id', quiet, 'an id is not unique'],
    ['new-ids', 'every larger paint is a change of LCP', 'id: web-vitals 0, candidate 1'],
    ['no-entries', quiet, 'entries: web-vitals [{'],
    ['dead-entries', quiet, '"live":false'],
    ['missing', quiet, 'missing report 0 of LCP'],
    ['twice', quiet, 'extra report 1 of CLS'],
    ['late', 'a page hidden twice reports', 'moment: web-vitals "hidden'],
    ['order', quiet, 'order: web-vitals'],
  ]) {
    test(`${fault}: ${where}`, {timeout: 60_000}, async () => {
      const scenario = scenarios.find(({name}) => name.startsWith(where));
      assert.ok(scenario, 'no such scenario');
      const found = await compareVisit(browser, scenario, {candidate: `/candidates/mutant.js?${fault}`});
      assert.ok(found.some((difference) => difference.includes(words)), `found only:\n${found.join('\n')}`);
    });
  }
});
