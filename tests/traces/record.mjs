//! Records the parity scenarios as traces, one file each: the browser's events, as a script on the page can see
//! them, and the reports of web-vitals. Run it after you add a scenario or update web-vitals:
//! `node tests/traces/record.mjs [a part of a name]`. README.md describes the format.

import {writeFile} from 'node:fs/promises';
import {Browser} from '../parity/browser.mjs';
import {reported} from '../parity/compare.mjs';
import {scenarios} from '../parity/scenarios.mjs';
import {Site} from '../parity/site.mjs';
import {record} from '../parity/visit.mjs';

/** The fields that the core reads of each type of entry. @type {Record<string, string[]>} */
const FIELDS = {
  'paint': ['name', 'duration'],
  'largest-contentful-paint': ['duration'],
  'layout-shift': ['duration', 'value', 'hadRecentInput'],
  'event': ['name', 'duration', 'interactionId'],
  'first-input': ['name', 'duration', 'interactionId', 'processingStart'],
  'soft-navigation': ['name', 'duration', 'navigationId', 'interactionId', 'presentationTime', 'paintTime', 'largestInteractionContentfulPaint'],
  'interaction-contentful-paint': ['duration', 'interactionId', 'largestContentfulPaint'],
};

const chosen = scenarios.filter(({name, native = true}) => native && name.includes(process.argv[2] ?? ''));
const browser = await Browser.launch();
for (const scenario of chosen) {
  const site = await Site.open('');
  const {origin, elsewhere} = site;
  const records = await record(browser, site, scenario, '/candidates/web-vitals.js');
  site.close();
  if (!scenario.shows(reported(records), records)) throw new Error(`the visit did not go as the scenario claims (${scenario.name}); record it again`);

  const pages = [...new Set(records.map(({page}) => page))].map((page) => trace(records.filter((row) => row.page === page))).filter(({reports, events}) => reports.length > 0 || events.some(({is}) => is === 'observing'));
  const {name: claim, subscriptions} = scenario;
  const json = JSON.stringify({v: 1, claim, subscriptions, pages}, null, 1)
    // One event per line, for readable diffs.
    .replace(/\{\n {5}[^]*?\n {4}\}/g, (event) => event.replace(/\s*\n\s*/g, ' '));
  await writeFile(new URL(`${slug(claim)}.json`, import.meta.url), `${json.replaceAll(origin, 'http://localhost').replaceAll(elsewhere, 'http://elsewhere')}\n`);
}
await browser.close();
console.log(`${chosen.length} traces`);

/** @param {any[]} records */
function trace(records) {
  const events = [];
  const reports = [];
  let restored = false;
  for (const {page, n, at, kind, name, library, subscription, metric, entries, during, awaited, ...row} of records) {
    if (kind === 'report' && library === 'reference') {
      const {value, delta, rating, navigationType} = metric;
      reports.push({subscription, value, delta, rating, navigationType, entries: entries.map((/** @type {any} */ entry) => entry.startTime)});
    }
    if (kind === 'entries') {
      const kept = entries.filter((/** @type {any} */ entry) => entry.entryType in FIELDS && (entry.entryType !== 'event' || entry.interactionId)).map(pick);
      const defers = entries.some((/** @type {any} */ {entryType}) => ['event', 'first-input', 'soft-navigation'].includes(entryType));
      if (defers || kept.length > 0) events.push({is: 'entries', at, ...row, defers, entries: kept});
    }
    if (kind === 'mark') {
      restored ||= name === 'restored';
      // Only first inputs after a restore have no entries.
      const polyfilled = restored && ['mousedown', 'keydown', 'touchstart', 'pointerdown', 'pointerup', 'pointercancel'].includes(name);
      if (polyfilled || ['observing', 'load', 'prerenderingchange', 'visibilitychange', 'pageshow', 'awake', 'restored', 'idle', 'keydown', 'click'].includes(name)) events.push({is: name, at, ...row});
    }
  }
  return {events, reports};
}

/** @param {any} entry */
function pick(entry) {
  const picked = Object.fromEntries(['entryType', 'startTime', ...FIELDS[entry.entryType]].filter((field) => entry[field] !== undefined).map((field) => [field, entry[field]]));
  if (picked.largestContentfulPaint) picked.largestContentfulPaint = {renderTime: entry.largestContentfulPaint.renderTime, startTime: entry.largestContentfulPaint.startTime};
  if (picked.largestInteractionContentfulPaint) picked.largestInteractionContentfulPaint = pick(entry.largestInteractionContentfulPaint);
  return picked;
}

/** @param {string} claim */
function slug(claim) {
  return claim.toLowerCase().replace(/[^a-z0-9]+/g, '-').replace(/-$/, '');
}
