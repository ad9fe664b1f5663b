//! The candidate equals web-vitals, field by field, on every scenario.
//! `CANDIDATE` names the candidate's module (the built package by default),
//! `ONLY` picks scenarios by a part of their name.

import assert from 'node:assert/strict';
import {resolve} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {fileURLToPath} from 'node:url';
import {Browser} from './browser.mjs';
import {differences, reported} from './compare.mjs';
import {scenarios} from './scenarios.mjs';
import {Site} from './site.mjs';
import {record} from './visit.mjs';

const candidate = resolve(process.env.CANDIDATE ?? fileURLToPath(new URL('../../pkg/dist/index.js', import.meta.url)));

describe(`${candidate} equals web-vitals`, () => {
  /** @type {Browser} */
  let browser;
  before(async () => void (browser = await Browser.launch()));
  after(() => browser.close());

  for (const scenario of scenarios.filter(({name}) => name.includes(process.env.ONLY ?? ''))) {
    test(scenario.name, {timeout: 20_000}, async () => {
      const site = await Site.open(candidate);
      try {
        const told = await record(browser, site, scenario);
        assert.deepEqual(differences(told), []);
        assert.ok(scenario.shows(reported(told), told), `the visit did not show it:\n${reported(told).map(line).join('\n')}`);
      } finally {
        site.close();
      }
    });
  }
});

/** @param {ReturnType<typeof reported>[number]} report */
const line = ({name, value, delta, rating, navigationType, navigationURL, entries}) => [name, value, delta, rating, navigationType, navigationURL, entries.map((/** @type {any} */ {entryType, name, startTime, duration}) => `${entryType} ${name} ${startTime}+${duration}`).join(', ')].join(' · ');
