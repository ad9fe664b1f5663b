//! The smallest build, which has no callbacks. Its beacons are recorded as marks.

// @ts-expect-error: the site serves it.
import {start} from '/candidate/start.js';

const {recorder} = /** @type {any} */ (globalThis);
start({endpoint: '/beacon', site: 'parity', beforeSend: (/** @type {object} */ beacon) => (recorder.mark('beacon', {beacon}), beacon)});

const nothing = () => {};
export {nothing as onCLS, nothing as onFCP, nothing as onFID, nothing as onINP, nothing as onLCP, nothing as onTTFB};
