// The part of k6 that its script needs, in Node, so that the tests can run the script without k6. It
// reads the options as k6 does, runs each scenario's function as often as its rate demands in one
// second, and checks the results against the thresholds. Requests block, as k6's do: a thread of their
// own makes them. Run as `node k6.mjs [--options] script [NAME=value…]`; exits with 99, as k6 does, if
// a threshold is exceeded. With --options it prints them and runs nothing.
import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { dirname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { isMainThread, MessageChannel, parentPort, receiveMessageOnPort, Worker } from "node:worker_threads";
import http from "node:http";

if (isMainThread) await main();
else serve();

/** Runs the thread that makes requests. */
function serve() {
  const agent = new http.Agent({ keepAlive: true });
  parentPort?.on("message", ({ url, method, headers, body, port, flag }) => {
    const done = (/** @type {unknown} */ answer) => {
      port.postMessage(answer);
      Atomics.store(flag, 0, 1);
      Atomics.notify(flag, 0);
    };
    const length = body === undefined ? {} : { "content-length": Buffer.byteLength(body) };
    const request = http.request(url, { method, agent, headers: { ...length, ...headers } }, (answer) => {
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (chunk) => (text += chunk));
      answer.on("end", () => done({ status: answer.statusCode, body: text }));
      answer.on("error", () => done({ status: 0, body: "" }));
    });
    // k6 reports a request without a response as status 0.
    request.on("error", () => done({ status: 0, body: "" }));
    request.end(body);
  });
}

async function main() {
  const args = process.argv.slice(2);
  const isOptionsOnly = args[0] === "--options";
  const [script, ...settings] = isOptionsOnly ? args.slice(1) : args;
  const env = Object.fromEntries(settings.map((setting) => [setting.slice(0, setting.indexOf("=")), setting.slice(setting.indexOf("=") + 1)]));
  const requests = new Worker(new URL(import.meta.url));
  /** The durations, failures and checks of each scenario. @type {Record<string, { times: number[], failed: boolean[], checks: boolean[] }>} */
  const results = {};
  let current = "";

  /** @param {string} method @param {string} url @param {string | undefined} body @param {any} params */
  const send = (method, url, body, params = {}) => {
    const flag = new Int32Array(new SharedArrayBuffer(4));
    const { port1, port2 } = new MessageChannel();
    const began = performance.now();
    requests.postMessage({ url, method, body, headers: params.headers, port: port2, flag }, [port2]);
    Atomics.wait(flag, 0, 0);
    const answer = receiveMessageOnPort(port1)?.message;
    port1.close();
    results[current].times.push(performance.now() - began);
    results[current].failed.push(answer.status === 0 || answer.status >= 400);
    return answer;
  };
  const exec = { scenario: { name: "", iterationInTest: 0 } };
  Object.assign(globalThis, {
    __ENV: env,
    open: (/** @type {string} */ path) => readFileSync(resolve(dirname(script), path), "utf8"),
    k6: {
      check: (/** @type {any} */ value, /** @type {Record<string, (value: any) => boolean>} */ sets) => {
        const passed = Object.values(sets).map((holds) => holds(value));
        results[current].checks.push(...passed);
        return passed.every(Boolean);
      },
      exec,
      http: { get: (/** @type {string} */ url, /** @type {any} */ params) => send("GET", url, undefined, params), post: (/** @type {string} */ url, /** @type {string} */ body, /** @type {any} */ params) => send("POST", url, body, params) },
    },
  });
  const modules = /** @type {Record<string, string>} */ ({ k6: "export const { check } = globalThis.k6;", "k6/execution": "export default globalThis.k6.exec;", "k6/http": "export default globalThis.k6.http;" });
  registerHooks({
    resolve: (name, context, next) => (modules[name] ? { url: `k6:${name}`, shortCircuit: true } : next(name, context)),
    load: (url, context, next) => (modules[url.slice(3)] && url.startsWith("k6:") ? { format: "module", source: modules[url.slice(3)], shortCircuit: true } : next(url, context)),
  });

  const program = await import(pathToFileURL(resolve(script)).href);
  const { scenarios, thresholds } = program.options;
  if (isOptionsOnly) {
    console.log(JSON.stringify({ options: program.options }));
    process.exit(0);
  }
  const data = program.setup?.();
  for (const [name, scenario] of Object.entries(scenarios)) {
    results[name] = { times: [], failed: [], checks: [] };
    current = exec.scenario.name = name;
    Object.assign(env, scenario.env);
    // One second of the scenario's arrivals, whose time unit is ten seconds.
    const iterations = Math.ceil((scenario.rate ?? scenario.startRate) / Number.parseInt(scenario.timeUnit, 10));
    for (let iteration = 0; iteration < iterations; iteration += 1) {
      exec.scenario.iterationInTest = iteration;
      program[scenario.exec](data);
    }
  }
  await requests.terminate();

  const exceeded = Object.entries(thresholds).flatMap(([metric, all]) => all.map((/** @type {any} */ entry) => entry.threshold ?? entry).filter((/** @type {string} */ threshold) => !holds(metric, threshold)).map((/** @type {string} */ threshold) => `${metric}: ${threshold}`));
  console.log(JSON.stringify({ options: program.options, requests: Object.fromEntries(Object.entries(results).map(([name, { times }]) => [name, times.length])), broken: exceeded }));
  process.exit(exceeded.length ? 99 : 0);

  /** @param {string} metric @param {string} threshold */
  function holds(metric, threshold) {
    const [, name, , scenario] = /** @type {RegExpMatchArray} */ (metric.match(/^(\w+)(\{scenario:(\w+)\})?$/));
    const selected = scenario ? [results[scenario]] : Object.values(results);
    const [, aggregate, share, sign, number] = /** @type {RegExpMatchArray} */ (threshold.match(/^(p\((\d+)\)|rate)([<>]=?)([\d.]+)$/));
    const values = selected.flatMap(({ times, failed, checks }) => (name === "http_req_duration" ? times : name === "http_req_failed" ? failed.map(Number) : name === "checks" ? checks.map(Number) : []));
    // The request rate depends on a generator's pace, which this runner lacks.
    if (name === "http_reqs") return true;
    const value = aggregate === "rate" ? values.reduce((sum, entry) => sum + entry, 0) / values.length : values.sort((a, b) => a - b)[Math.ceil((values.length * Number(share)) / 100) - 1];
    return { "<": value < Number(number), "<=": value <= Number(number), ">": value > Number(number), ">=": value >= Number(number) }[sign];
  }
}
