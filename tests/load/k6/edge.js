// The traffic of traffic.json for k6: `k6 run -e SHAPE=load -e BASE=https://edge.example edge.js`. The
// rate does not depend on the responses, and each kind of request has its own thresholds. TRAFFIC names
// another file for another deployment; HOST is the requested host, if it is not BASE's.
import { check } from "k6";
import exec from "k6/execution";
import http from "k6/http";

/** @typedef {{ name: string, share: number, path: string, of?: number, bytes?: number, body?: string, site?: string }} Kind */
/** @type {{ host: string, thresholds: { p95_ms: number, p99_ms: number, errors: number }, shapes: Record<string, any>, mix: Kind[] }} */
const { host, thresholds, shapes, mix } = JSON.parse(/** @type {any} */ (open(__ENV.TRAFFIC || "../traffic.json")));
const base = __ENV.BASE || "http://127.0.0.1:8787";
const shape = shapes[__ENV.SHAPE || "smoke"];
if (!shape) throw new Error(`there is no load ${__ENV.SHAPE}; there are ${Object.keys(shapes).join(", ")}`);

export const options = {
  scenarios: Object.fromEntries(mix.map((kind, index) => [kind.name, { ...pace((shape.rate * kind.share) / 100), exec: "sendRequest", env: { KIND: String(index) } }])),
  thresholds: Object.fromEntries(mix.flatMap((kind) => thresholdsOf(`{scenario:${kind.name}}`)).concat(shape.least ? [["http_reqs", [`rate>=${shape.least}`]]] : [])),
  summaryTrendStats: ["med", "p(95)", "p(99)", "max"],
};

/** The rate of one kind: constant or climbing in steps. @param {number} rate */
function pace(rate) {
  const senders = { preAllocatedVUs: Math.ceil(rate / 10) + 1, maxVUs: Math.ceil(rate) + 10 };
  const perTenSeconds = (/** @type {number} */ perSecond) => Math.max(1, Math.round(perSecond * 10));
  if (!shape.factor) return { executor: "constant-arrival-rate", rate: perTenSeconds(rate), timeUnit: "10s", duration: `${shape.seconds}s`, ...senders };
  const stages = [];
  for (let step = 1; shape.rate * step <= shape.most; step *= shape.factor) stages.push({ target: perTenSeconds(rate * step), duration: `${shape.seconds}s` });
  return { executor: "ramping-arrival-rate", startRate: perTenSeconds(rate), timeUnit: "10s", stages, ...senders, maxVUs: 2000 };
}

/** The thresholds of each kind. A climbing rate ends at the first that is exceeded. @param {string} selector */
function thresholdsOf(selector) {
  const limit = (/** @type {string} */ threshold) => (shape.factor ? { threshold, abortOnFail: true, delayAbortEval: "5s" } : threshold);
  const times = [limit(`p(95)<${thresholds.p95_ms}`), limit(`p(99)<${thresholds.p99_ms}`)];
  const all = [
    [`http_req_failed${selector}`, [limit(`rate<${thresholds.errors}`)]],
    [`checks${selector}`, [limit(`rate>${1 - thresholds.errors}`)]],
  ];
  return shape.timed ? [[`http_req_duration${selector}`, times], ...all] : all;
}

// Unique ids for the views of this run.
export const setup = () => Date.now().toString(16).padStart(12, "0");

/** @param {string} run */
export function sendRequest(run) {
  const kind = mix[Number(__ENV.KIND)];
  const number = exec.scenario.iterationInTest;
  const item = Math.floor(Math.random() * (kind.of || 1));
  const path = kind.path.replace("{n}", String(item));
  /** @type {Record<string, string>} */
  const headers = { "user-agent": AGENT };
  if (__ENV.HOST || !__ENV.BASE) headers.host = __ENV.HOST || host;
  const answer = kind.site ? http.post(base + path, beacon(kind.site, run, number), { headers, tags: { name: kind.name } }) : http.get(base + path, { headers, tags: { name: kind.name } });
  check(answer, {
    "is answered with 200": ({ status }) => status === 200,
    "has the body that belongs to its path": ({ body }) => isOf(kind, path, String(body)),
  });
}

/** @param {Kind} kind @param {string} path @param {string} body */
function isOf(kind, path, body) {
  if (kind.body) return body === kind.body;
  if (!kind.bytes) return true;
  const line = `${path}\n`;
  return body === line.repeat(Math.ceil(kind.bytes / line.length)).slice(0, kind.bytes);
}

/** @param {string} site @param {string} run @param {number} number */
function beacon(site, run, number) {
  const slow = Math.floor(Math.random() * 4000);
  return JSON.stringify({
    v: 1, site, id: run + number.toString(16).padStart(12, "0"), view: 0, seq: 0, nav: "navigate", path: `/details/${number % 20}`, age: 5000 + slow,
    m: { LCP: 800 + slow, FCP: 500 + Math.floor(slow / 2), CLS: slow, INP: 40 + Math.floor(slow / 20), TTFB: 100 + Math.floor(slow / 8) },
  });
}

// Bots are counted apart.
const AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/156.0.0.0 Safari/537.36";
