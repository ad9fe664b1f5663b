//! Subscribes web-vitals and the candidate to one page load, in one task, so
//! that both see the same browser from the same moment on.

// @ts-expect-error: the site serves it.
import * as vitals from '/reference/web-vitals.js';
// @ts-expect-error: the site serves it.
import {onFID} from '/reference/fid.js';

const {recorder, parity} = /** @type {any} */ (globalThis);
const reference = /** @type {any} */ ({...vitals, onFID});
const candidate = await import(parity.candidate);

// Said first, and so not after what they may report at once.
recorder.observing();
parity.subscriptions.forEach((/** @type {{on: string, options: object}} */ {on, options}, /** @type {number} */ index) => {
  reference[on]((/** @type {object} */ metric) => recorder.report('reference', index, metric), {...options});
  candidate[on]((/** @type {object} */ metric) => recorder.report('candidate', index, metric), {...options});
});
