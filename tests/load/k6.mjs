// As much of k6 as its script needs, in Node: so that the script is run by the tests where there is no
// k6. It reads the options as k6 does, runs each scenario's function a number of times that follows from
// its rate, and holds what came of it against the thresholds. Requests block, as k6's do: a thread of
// their own makes them. Run as `node k6.mjs [--options] script [NAME=value…]`; exits with 99, as k6 does,
// where a threshold does not hold. With --options it says them and runs nothing.
import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { dirname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { isMainThread, MessageChannel, parentPort, receiveMessageOnPort, Worker } from "node:worker_threads";
import http from "node:http";

if (isMainThread) await main();
else serve();

/** The thread that makes requests. */
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
    // k6 gives the status 0 to what was not answered.
    request.on("error", () => done({ status: 0, body: "" }));
    request.end(body);
  });
}

async function main() {
  const words = process.argv.slice(2);
  const isLook = words[0] === "--options";
  const [script, ...settings] = isLook ? words.slice(1) : words;
  const env = Object.fromEntries(settings.map((setting) => [setting.slice(0, setting.indexOf("=")), setting.slice(setting.indexOf("=") + 1)]));
  const requests = new Worker(new URL(import.meta.url));
  /** Of which scenario: how long its requests took, which failed, and which checks held. @type {Record<string, { times: number[], failed: boolean[], checks: boolean[] }>} */
  const found = {};
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
    found[current].times.push(performance.now() - began);
    found[current].failed.push(answer.status === 0 || answer.status >= 400);
    return answer;
  };
  const exec = { scenario: { name: "", iterationInTest: 0 } };
  Object.assign(globalThis, {
    __ENV: env,
    open: (/** @type {string} */ path) => readFileSync(resolve(dirname(script), path), "utf8"),
    k6: {
      check: (/** @type {any} */ value, /** @type {Record<string, (value: any) => boolean>} */ sets) => {
        const held = Object.values(sets).map((holds) => holds(value));
        found[current].checks.push(...held);
        return held.every(Boolean);
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
  if (isLook) {
    console.log(JSON.stringify({ options: program.options }));
    process.exit(0);
  }
  const data = program.setup?.();
  for (const [name, scenario] of Object.entries(scenarios)) {
    found[name] = { times: [], failed: [], checks: [] };
    current = exec.scenario.name = name;
    Object.assign(env, scenario.env);
    // A second of it: arrivals in a time unit, which is ten seconds here.
    const iterations = Math.ceil((scenario.rate ?? scenario.startRate) / Number.parseInt(scenario.timeUnit, 10));
    for (let turn = 0; turn < iterations; turn += 1) {
      exec.scenario.iterationInTest = turn;
      program[scenario.exec](data);
    }
  }
  await requests.terminate();

  const broken = Object.entries(thresholds).flatMap(([metric, all]) => all.map((/** @type {any} */ one) => one.threshold ?? one).filter((/** @type {string} */ threshold) => !holds(metric, threshold)).map((/** @type {string} */ threshold) => `${metric}: ${threshold}`));
  console.log(JSON.stringify({ options: program.options, requests: Object.fromEntries(Object.entries(found).map(([name, { times }]) => [name, times.length])), broken }));
  process.exit(broken.length ? 99 : 0);

  /** @param {string} metric @param {string} threshold */
  function holds(metric, threshold) {
    const [, name, , scenario] = /** @type {RegExpMatchArray} */ (metric.match(/^(\w+)(\{scenario:(\w+)\})?$/));
    const of = scenario ? [found[scenario]] : Object.values(found);
    const [, aggregate, share, sign, number] = /** @type {RegExpMatchArray} */ (threshold.match(/^(p\((\d+)\)|rate)([<>]=?)([\d.]+)$/));
    const values = of.flatMap(({ times, failed, checks }) => (name === "http_req_duration" ? times : name === "http_req_failed" ? failed.map(Number) : name === "checks" ? checks.map(Number) : []));
    // Requests a second are what a generator's pace makes of them; this one has none.
    if (name === "http_reqs") return true;
    const value = aggregate === "rate" ? values.reduce((sum, one) => sum + one, 0) / values.length : values.sort((a, b) => a - b)[Math.ceil((values.length * Number(share)) / 100) - 1];
    return { "<": value < Number(number), "<=": value <= Number(number), ">": value > Number(number), ">=": value >= Number(number) }[sign];
  }
}
