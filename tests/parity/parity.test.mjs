//! Compares the candidate with web-vitals, field by field, on every scenario. A second copy of web-vitals
//! on each page is the control: if it differs, the harness is at fault and the test fails. `CANDIDATE` is the
//! path of the candidate's module (default: the built package); `ONLY` selects scenarios by a part of their name.

import assert from 'node:assert/strict';
import {resolve} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {fileURLToPath} from 'node:url';
import {Browser} from './browser.mjs';
import {scenarios} from './scenarios.mjs';
import {compareVisit} from './visit.mjs';

const module = resolve(process.env.CANDIDATE ?? fileURLToPath(new URL('../../pkg/dist/index.js', import.meta.url)));

describe(`${module} equals web-vitals`, () => {
  /** @type {Browser} */
  let browser;
  before(async () => void (browser = await Browser.launch()));
  after(() => browser.close());

  for (const scenario of scenarios.filter(({name}) => name.includes(process.env.ONLY ?? ''))) {
    test(scenario.name, {timeout: 60_000}, async () => {
      assert.deepEqual(await compareVisit(browser, scenario, {module, control: '/candidates/web-vitals.js'}), []);
    });
  }
});
