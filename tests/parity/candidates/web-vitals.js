//! web-vitals in the candidate's place, as a second instance: the harness must find no difference.

export {onCLS, onFCP, onINP, onLCP, onTTFB} from '/reference/web-vitals.js?again';
export {onFID} from '/reference/fid.js?again';
