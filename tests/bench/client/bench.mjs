//! The cost of the client for a page, beside web-vitals with its sendBeacon recipe,
//! on the same page in Chromium, loads alternating: CPU time of the page's main
//! thread (from traces; parsing on other threads is not counted) to load, start
//! and observe, for each of 1,000 events and more, and to leave; long tasks;
//! bytes. At full speed and at a quarter of it. Prints medians and ratios as
//! JSON: `{"figures": [{name, value, unit, ratio, against, goal, met}]}`.
//! `CANDIDATE` sets the client (the built package by default), `LOADS` the
//! number of page loads each.

import {build} from 'esbuild';
import {once} from 'node:events';
import {createServer} from 'node:http';
import {dirname, resolve} from 'node:path';
import {fileURLToPath} from 'node:url';
import {brotliCompressSync, constants} from 'node:zlib';
import {Browser} from '../../parity/browser.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = resolve(HERE, '../../..');
const LOADS = Number(process.env.LOADS ?? 17);
/** Each press makes four or five entries (keydown, keypress, beforeinput, input, keyup). */
const PRESSES = 250;

/** The script that a page would ship with each library, bundled alike. @type {Record<string, string>} */
const SHIPPED = {
  ours: `
    import {start} from ${JSON.stringify(resolve(process.env.CANDIDATE ?? resolve(ROOT, 'pkg/dist/start.js')))};
    start({endpoint: '/beacon', site: 'bench'});`,
  theirs: `
    import {onCLS, onFCP, onINP, onLCP, onTTFB} from ${JSON.stringify(resolve(ROOT, 'node_modules/web-vitals/dist/web-vitals.js'))};
    const queue = new Set();
    for (const on of [onCLS, onFCP, onINP, onLCP, onTTFB]) on((metric) => queue.add(metric));
    addEventListener('visibilitychange', () => {
      if (document.visibilityState !== 'hidden' || queue.size === 0) return;
      navigator.sendBeacon('/beacon', JSON.stringify([...queue]));
      queue.clear();
    });`,
};

/** The cost of one page load: CPU milliseconds on the main thread by phase, and the longest task. @typedef {{load: number, events: number, entries: number, leave: number, longest: number}} Cost */

const scripts = Object.fromEntries(await Promise.all(Object.entries(SHIPPED).map(async ([library, entry]) => [library, await bundle(entry)])));
const server = createServer(answer).listen(0);
await once(server, 'listening');
const origin = `http://localhost:${/** @type {import('node:net').AddressInfo} */ (server.address()).port}`;
const browser = await Browser.launch();
const version = (await browser.send('Browser.getVersion')).product;

const figures = [];
for (const slowed of [1, 4]) {
  /** @type {Record<string, Cost[]>} */
  const costs = {theirs: [], ours: []};
  // One load of each as a warm-up; the order alternates.
  for (let round = 0; round <= LOADS; round++) {
    const turn = round % 2 ? ['ours', 'theirs'] : ['theirs', 'ours'];
    for (const library of turn) {
      const cost = await load(library, slowed);
      if (round > 0) costs[library].push(cost);
    }
  }
  const speed = slowed === 1 ? 'full speed' : 'a quarter of the speed';
  const medianOf = (/** @type {string} */ library, /** @type {(cost: Cost) => number} */ select) => median(costs[library].map(select));
  const compare = (/** @type {string} */ name, /** @type {string} */ unit, /** @type {(cost: Cost) => number} */ select) => {
    const [ours, theirs] = [medianOf('ours', select), medianOf('theirs', select)];
    figures.push(figure(`${name}, ${speed}`, ours, unit, ours / theirs, `web-vitals: ${round(theirs)} ${unit}`, 1));
  };
  compare('main thread to load, start and observe', 'ms', ({load}) => load);
  compare('each event entry', 'µs', ({events, entries}) => (1000 * events) / entries);
  compare('to report and send when the page is left', 'ms', ({leave}) => leave);
  const [long, theirs] = [costs.ours, costs.theirs].map((loads) => loads.filter(({longest}) => longest >= 50).length);
  figures.push(figure(`loads with a long task of ours, ${speed}`, long, `of ${LOADS}`, long / LOADS, `none (web-vitals: ${theirs})`, 0));
}
const [ours, theirs] = [scripts.ours.packed.length, scripts.theirs.packed.length];
figures.push(figure('bytes transferred, brotli', ours, 'B', ours / theirs, `web-vitals: ${theirs} B`, 1));
figures.push(figure('bytes transferred, brotli', ours, 'B', ours / 2560, 'a budget of 2560 B', 1));

await browser.close();
server.close();
console.log(JSON.stringify({browser: version, loads: LOADS, figures}, null, 2));

/** Measures one page load from its first byte until it is left. @param {string} library @param {number} slowed @returns {Promise<Cost>} */
async function load(library, slowed) {
  const window = await browser.window();
  const tab = await window.open(false);
  await tab.send('Emulation.setCPUThrottlingRate', {rate: slowed});
  /** @type {any[]} */
  const trace = [];
  const ended = new Promise((resolve) => {
    const listener = (/** @type {string} */ method, /** @type {any} */ params) => {
      if (method === 'Tracing.dataCollected') trace.push(...params.value);
      if (method === 'Tracing.tracingComplete') browser.listeners.delete(listener), resolve(undefined);
    };
    browser.listeners.add(listener);
  });
  await browser.send('Tracing.start', {
    transferMode: 'ReportEvents',
    traceConfig: {includedCategories: ['devtools.timeline', 'v8', 'blink.user_timing'], excludedCategories: ['*']},
  });

  // Each load has its own URL, so that no compiled script is reused.
  const script = `/${library}.js?${Math.random()}`;
  await tab.goto(`${origin}/?script=${encodeURIComponent(script)}`);
  await tab.until((messages) => messages.includes('load'));
  await tab.evaluate('settled()');
  await tab.evaluate('performance.mark("phase events"), field.focus()');
  const entries = await events(tab);
  await tab.evaluate('performance.mark("phase leave")');
  await window.coverAll();
  await tab.until((messages) => messages.includes('hidden'));
  await tab.evaluate('0');

  await browser.send('Tracing.end');
  await ended;
  await window.close();
  return {...read(trace, script), entries};
}

/** Presses keys that all wait for one busy task, so that each makes slow events, and returns the number of entries. @param {import('../../parity/browser.mjs').Tab} tab @returns {Promise<number>} */
async function events(tab) {
  tab.evaluate('__tell(JSON.stringify("busy")); for (const end = Date.now() + 500; Date.now() < end; );');
  await tab.until((messages) => messages.includes('busy'));
  const key = {key: 'a', code: 'KeyA', windowsVirtualKeyCode: 65};
  await Promise.all(
    Array.from({length: PRESSES}, () => [tab.send('Input.dispatchKeyEvent', {type: 'keyDown', text: 'a', ...key}), tab.send('Input.dispatchKeyEvent', {type: 'keyUp', ...key})]).flat(),
  );
  await tab.evaluate('settled()');
  const seen = await tab.evaluate('settled().then(() => seen)');
  if (seen < 1000) throw new Error(`${seen} event entries from ${PRESSES} keys are too few`);
  return seen;
}

/** Adds up the script's cost in each phase: its outermost tasks on the main thread. @param {any[]} trace @param {string} script @returns {Omit<Cost, 'entries'>} */
function read(trace, script) {
  const compiled = trace.find(({name, args}) => name === 'v8.compileModule' && args.data.url.endsWith(script));
  const main = trace.filter(({tid, pid}) => tid === compiled.tid && pid === compiled.pid);
  const begins = (/** @type {string} */ phase) => main.find(({name}) => name === `phase ${phase}`).ts;
  const ours = main
    // The page has no other module; a call carries the script of its function.
    .filter(({name, args}) => name === 'v8.compileModule' || name === 'v8.evaluateModule' || (name === 'FunctionCall' && args.data?.url?.endsWith(script)))
    .sort((one, other) => one.ts - other.ts);
  const cost = {load: 0, events: 0, leave: 0, longest: 0};
  let end = 0;
  for (const {ts, dur, tdur} of ours) {
    if (ts < end) continue;
    end = ts + dur;
    const phase = ts < begins('events') ? 'load' : ts < begins('leave') ? 'events' : 'leave';
    cost[phase] += tdur / 1000;
    // CPU time here, too, which excludes other work of a busy machine.
    cost.longest = Math.max(cost.longest, tdur / 1000);
  }
  return cost;
}

/** @param {import('node:http').IncomingMessage} request @param {import('node:http').ServerResponse} response */
function answer(request, response) {
  const url = new URL(request.url ?? '/', origin);
  const script = scripts[url.pathname.slice(1, -3)];
  if (script) return response.writeHead(200, {'content-type': 'text/javascript', 'content-encoding': 'br', 'cache-control': 'no-store'}).end(script.packed);
  if (url.pathname !== '/') return request.resume().on('end', () => response.writeHead(204).end());
  response.writeHead(200, {'content-type': 'text/html; charset=utf-8'}).end(`<!doctype html><title>A page</title><link rel="icon" href="data:,">
<script>
  seen = 0;
  new PerformanceObserver((list) => (seen += list.getEntries().length)).observe({type: 'event', durationThreshold: 40});
  addEventListener('load', () => __tell('"load"'));
  addEventListener('visibilitychange', () => __tell(JSON.stringify(document.visibilityState)));
  settled = () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => requestIdleCallback(() => requestIdleCallback(() => resolve()))))));
</script>
<script type="module" src="${url.searchParams.get('script')}"></script>
<h1>A heading</h1><p>And text.</p><input id="field">`);
}

/** @param {string} contents */
async function bundle(contents) {
  const {outputFiles} = await build({stdin: {contents, resolveDir: ROOT}, bundle: true, minify: true, format: 'esm', charset: 'utf8', write: false});
  return {packed: brotliCompressSync(outputFiles[0].contents, {params: {[constants.BROTLI_PARAM_QUALITY]: 11}})};
}

/** @param {string} name @param {number} value @param {string} unit @param {number} ratio @param {string} against @param {number} goal the largest allowed ratio */
function figure(name, value, unit, ratio, against, goal) {
  return {name, value: round(value), unit, ratio: round(ratio), against, goal, met: ratio <= goal};
}

/** @param {number[]} values */
function median(values) {
  const sorted = [...values].sort((one, other) => one - other);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}

/** @param {number} value */
function round(value) {
  return Math.round(value * 1000) / 1000;
}
