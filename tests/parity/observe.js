//! Subscribes web-vitals, the candidate and, if given, a second web-vitals as the control, in one task, so
//! that all observe the same page from the same time.

// @ts-expect-error: the site serves it.
import * as vitals from '/reference/web-vitals.js';
// @ts-expect-error: the site serves it.
import {onFID} from '/reference/fid.js';

const {recorder, parity} = /** @type {any} */ (globalThis);
const reference = /** @type {any} */ ({...vitals, onFID});
const candidate = await import(parity.candidate);
// The candidate asked for both before: they are there once they are here.
if (parity.isRefused) await Promise.all([import('/candidate/fallback.js'), import('/candidate/start-fallback.js')]);
const control = parity.control && (await import(parity.control));

// Recorded first: the libraries may report at once.
recorder.observing();
parity.subscriptions.forEach((/** @type {{on: string, options: object}} */ {on, options}, /** @type {number} */ index) => {
  reference[on]((/** @type {object} */ metric) => recorder.report('reference', index, metric), {...options});
  candidate[on]((/** @type {object} */ metric) => recorder.report('candidate', index, metric), {...options});
  control?.[on]((/** @type {object} */ metric) => recorder.report('control', index, metric), {...options});
});
