//! web-vitals with one fault, selected by the query (`mutant.js?value`). The harness must detect each.

// @ts-expect-error: the site serves it.
import * as vitals from '/reference/web-vitals.js?again';
// @ts-expect-error: the site serves it.
import {onFID as fid} from '/reference/fid.js?again';

/** @type {Record<string, (metric: any, report: (metric: any) => void) => void>} */
const faults = {
  'value': (metric, report) => report({...metric, value: metric.value + 1e-9}),
  'delta': (metric, report) => report({...metric, delta: metric.value}),
  'rating': (metric, report) => report({...metric, rating: 'good'}),
  'type': (metric, report) => report({...metric, navigationType: 'navigate'}),
  'url': (metric, report) => report({...metric, navigationURL: location.href}),
  'one-id': (metric, report) => report({...metric, id: 'the only id there is'}),
  'new-ids': (metric, report) => report({...metric, id: `v-${Math.random()}`}),
  'no-entries': (metric, report) => report({...metric, entries: []}),
  'dead-entries': (metric, report) => report({...metric, entries: JSON.parse(JSON.stringify(metric.entries))}),
  'missing': (metric, report) => metric.name !== 'LCP' && report(metric),
  'twice': (metric, report) => (report(metric), metric.name === 'CLS' && report(metric)),
  'late': (metric, report) => (metric.name === 'CLS' ? addEventListener('visibilitychange', () => report(metric), {once: true, capture: true}) : report(metric)),
  'order': (metric, report) => (document.visibilityState === 'hidden' && metric.name === 'CLS' ? document.addEventListener('visibilitychange', () => report(metric), {once: true}) : report(metric)),
};

const fault = faults[new URL(import.meta.url).search.slice(1)];
/** @param {(report: (metric: any) => void, options: any) => void} on @returns {(report: (metric: any) => void, options: any) => void} */
const faulty = (on) => (report, options) => on((metric) => fault(metric, report), options);

export const onCLS = faulty(vitals.onCLS);
export const onFCP = faulty(vitals.onFCP);
export const onINP = faulty(vitals.onINP);
export const onLCP = faulty(vitals.onLCP);
export const onTTFB = faulty(vitals.onTTFB);
export const onFID = faulty(fid);
