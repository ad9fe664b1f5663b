//! web-vitals in the candidate's place, as a second instance: the harness must find no difference.

// @ts-expect-error: the site serves it.
export {onCLS, onFCP, onINP, onLCP, onTTFB} from '/reference/web-vitals.js?again';
// @ts-expect-error: the site serves it.
export {onFID} from '/reference/fid.js?again';
