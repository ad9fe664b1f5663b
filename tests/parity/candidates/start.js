//! A build used for beacons alone, which has no callbacks (`start.js?build=index`). With `&soft` it follows soft
//! navigations, and the page may declare views. Its beacons are recorded as marks.

const {recorder} = /** @type {any} */ (globalThis);
const parameters = new URL(import.meta.url).searchParams;
const {start, view} = await import(`/candidate/${parameters.get('build') ?? 'start'}.js`);
start({
  endpoint: '/beacon',
  site: 'parity',
  reportSoftNavs: parameters.has('soft') ? undefined : false,
  beforeSend: (/** @type {object} */ beacon) => (recorder.mark('beacon', {beacon}), beacon),
});
Object.assign(globalThis, {view});

const nothing = () => {};
export {nothing as onCLS, nothing as onFCP, nothing as onFID, nothing as onINP, nothing as onLCP, nothing as onTTFB};
