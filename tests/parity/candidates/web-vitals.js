//! A second instance of web-vitals as the candidate. The harness must find no difference.

// @ts-expect-error: the site serves it.
export {onCLS, onFCP, onINP, onLCP, onTTFB} from '/reference/web-vitals.js?again';
// @ts-expect-error: the site serves it.
export {onFID} from '/reference/fid.js?again';
