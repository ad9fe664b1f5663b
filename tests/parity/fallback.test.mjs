//! The client where the browser refuses WebAssembly: the module's JavaScript form answers every call as the module
//! does, and its reports and beacons are those of web-vitals. A few scenarios stand for all; `SCENARIOS=all` visits
//! every one.

import assert from 'node:assert/strict';
import {readFile} from 'node:fs/promises';
import {after, before, describe, test} from 'node:test';
import {fileURLToPath} from 'node:url';
import {METRIC_COUNT} from '../../pkg/src/metrics.js';
import {ADD_LAYOUT_SHIFT, BEGIN_BEACON_VIEW, REPORT, REPORT_BEACON_NAVIGATION, SET_FIRST_HIDDEN} from '../../pkg/src/opcodes.js';
import {Browser} from './browser.mjs';
import {comparedBeacons, reported, sentBeacons, viewsOf} from './compare.mjs';
import {scenarios} from './scenarios.mjs';
import {Site, WITHOUT_WASM} from './site.mjs';
import {softNavigations} from './soft_navigations.mjs';
import {compareVisit, record} from './visit.mjs';

const DIST = new URL('../../pkg/dist/', import.meta.url);
/** @param {string} file */
const built = (file) => fileURLToPath(new URL(file, DIST));
const ALL = process.env.SCENARIOS === 'all';

/** Those of every metric and every kind of view. */
const CHOSEN = new Set([
  'a page with text reports every change once',
  'a page hidden between two paints keeps the LCP of the first',
  'a later, larger window replaces an earlier one',
  'each slower interaction is a change of INP under reportAllChanges',
  'a page out of the bfcache counts its own shifts and interactions',
  'a page activated after it was prerendered completely has values of 0',
  'each view of an application has its own shifts and interactions',
]);

/** The calls with a code among their operands. */
const CODED = new Set([BEGIN_BEACON_VIEW, REPORT]);

test('the JavaScript form answers a hundred thousand calls as the module does', async () => {
  const {instance} = await WebAssembly.instantiate(await readFile(built('client.wasm')));
  const module = /** @type {(...call: number[]) => number} */ (instance.exports.handle);
  const {handle} = await import(built('fallback.js'));
  const random = generator(7);
  let answers = 0;
  for (let count = 0; count < 100_000; count++) {
    const opcode = below(REPORT_BEACON_NAVIGATION + 2, random);
    const call = [opcode, below(2 * METRIC_COUNT, random), ...Array.from({length: 4}, () => (CODED.has(opcode) ? below(3, random) : operand(random)))];
    if (opcode === SET_FIRST_HIDDEN) call[3] = Infinity;
    if (opcode === ADD_LAYOUT_SHIFT) call[4] = random();
    const [theirs, ours] = [module(...call), handle(...call)];
    assert.ok(Object.is(theirs, ours), `call ${count}, ${call}: the module answers ${theirs}, its JavaScript form ${ours}`);
    answers += Number(!Number.isNaN(theirs));
  }
  assert.ok(answers > 10_000, `only ${answers} calls had an answer`);
});

describe('where WebAssembly is refused', () => {
  /** @type {Browser} */
  let browser;
  before(async () => void (browser = await Browser.launch()));
  after(() => browser.close());

  for (const scenario of scenarios.filter(({name}) => ALL || CHOSEN.has(name))) {
    test(`reports equal web-vitals': ${scenario.name}`, {timeout: 60_000}, async () => {
      const under = {module: built('index.js'), control: '/candidates/web-vitals.js', policy: WITHOUT_WASM};
      assert.deepEqual(await compareVisit(browser, scenario, under), []);
    });
  }

  const isDefault = (/** @type {import('./scenarios.mjs').Scenario} */ {act, background, subscriptions}) =>
    (act || !background) && subscriptions.length === 6 && subscriptions.every(({options}) => Object.keys(options).length === 0);
  for (const scenario of scenarios.filter((scenario) => isDefault(scenario) && (ALL || CHOSEN.has(scenario.name)))) {
    test(`beacons equal web-vitals' reports: ${scenario.name}`, {timeout: 20_000}, async () => {
      const records = await visit(scenario, '/candidates/start.js');
      const {sent, expected} = comparedBeacons(scenario, records);
      assert.deepEqual(sent, expected);
    });
  }

  for (const scenario of softNavigations.slice(0, ALL ? undefined : 2)) {
    test(`views equal web-vitals': ${scenario.name}`, {timeout: 20_000}, async () => {
      const records = await visit(scenario, '/candidates/start.js?soft');
      /** @type {any[]} */
      const views = Object.values(sentBeacons(records));
      const expected = viewsOf(reported(records));
      for (const metric of scenario.without ?? []) for (const [view] of [views, expected]) delete view[metric];
      assert.deepEqual(views.filter(({nav}) => nav !== 'view').map(({FID, ...view}) => view), expected);
    });
  }

  /** The records of a visit that goes as its scenario claims. @param {import('./scenarios.mjs').Scenario} scenario @param {string} candidate */
  async function visit(scenario, candidate) {
    const site = await Site.open(built('start.js'), WITHOUT_WASM);
    try {
      const records = await record(browser, site, scenario, candidate);
      assert.ok(scenario.shows(reported(records), records), 'the visit did not go as the scenario claims');
      return records;
    } finally {
      site.close();
    }
  }
});

/** Numbers from 0 to 1, the same ones for the same seed. @param {number} seed */
function generator(seed) {
  return () => (seed = (seed * 48_271) % 0x7fff_ffff) / 0x7fff_ffff;
}

/** @param {number} limit @param {() => number} random */
const below = (limit, random) => Math.floor(limit * random());

/** Times, flags and ids. @param {() => number} random */
function operand(random) {
  const strange = [0, 1, -0, -1, NaN, 2 ** 18, 5e-324];
  return [() => below(3, random), () => 5000 * random(), () => random(), () => 7 * below(40, random), () => strange[below(strange.length, random)]][below(5, random)]();
}
