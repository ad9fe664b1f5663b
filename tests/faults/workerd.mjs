// workerd alone with the built Worker, to be killed, flooded and measured. Its Durable Objects are
// stored in build/raw.
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import { join, relative } from "node:path";

const ROOT = new URL("../..", import.meta.url).pathname;
const BINARY = join(ROOT, "node_modules/workerd/bin/workerd");

/** The built product, or that of another release. @param {Record<string, unknown>} [vars] @param {string} [build] */
export function product(vars = {}, build = join(ROOT, "build")) {
  const settings = { SHARDS: "1", PUBLIC_CACHE_SECONDS: "0", SITES: { demo: { public: true } }, ...vars };
  return {
    modules: { "index.js": join(build, "index.js"), "index_bg.wasm": join(build, "index_bg.wasm") },
    bindings: [
      '(name = "SHARDS_OF_SITES", durableObjectNamespace = "Shard")',
      '(name = "TAG_CLOCK", durableObjectNamespace = "TagClock")',
      '(name = "ASSETS", service = "assets")',
      ...Object.entries(settings).map(([name, value]) =>
        typeof value === "string" ? `(name = "${name}", text = ${quote(value)})` : `(name = "${name}", json = ${quote(JSON.stringify(value))})`,
      ),
    ],
    classes: ["Shard", "TagClock"],
  };
}

/** A Rust Worker that exists only for a benchmark, which has built it. @param {string} name */
export function benchWorker(name) {
  const folder = join(ROOT, "build/bench", name);
  return { modules: { "index.js": join(folder, "index.js"), "index_bg.wasm": join(folder, "index_bg.wasm") }, bindings: /** @type {string[]} */ ([]), classes: /** @type {string[]} */ ([]) };
}

/** A Worker of one file. @param {string} file @param {string[]} [classes] */
export function script(file, classes = []) {
  return {
    modules: { "index.js": join(ROOT, file) },
    bindings: classes.map((name) => `(name = "${name.toUpperCase()}", durableObjectNamespace = "${name}")`),
    classes,
  };
}

/**
 * Starts a Worker on a free port, with the earlier storage of that name.
 * @param {string} name
 * @param {{ modules: Record<string, string>, bindings: string[], classes: string[] }} worker
 * @param {{ fresh?: boolean, twin?: boolean | Record<string, string>, colo?: number, kv?: number, files?: number }} [options] `twin`: a second isolate with the same objects, on another port, of the same Worker or of other modules; `colo`, `kv`, `files`: the ports of a Cache API, a KV and a server of its static files
 */
export async function start(name, worker, { fresh = false, twin = false, colo, kv, files } = {}) {
  const folder = join(ROOT, "build/raw", name);
  const storage = join(folder, "storage");
  if (fresh) rmSync(folder, { recursive: true, force: true });
  mkdirSync(storage, { recursive: true });
  // Paths of embedded files are relative to the configuration.
  const embed = (/** @type {Record<string, string>} */ modules) =>
    Object.entries(modules).map(([name, file]) => `(name = "${name}", ${name.endsWith(".wasm") ? "wasm" : "esModule"} = embed "${relative(folder, file)}")`).join(", ");
  const service = (/** @type {string} */ name, /** @type {number | undefined} */ port) => (port === undefined ? "" : `\n    (name = "${name}", external = (address = "127.0.0.1:${port}", http = ())),`);
  const cache = colo === undefined ? "" : '\n  cacheApiOutbound = "colo",';
  const bindings = kv === undefined ? worker.bindings : [...worker.bindings, '(name = "CACHE_KV", kvNamespace = "kv")'];
  const shared = bindings.map((binding) => binding.replace(/durableObjectNamespace = ("\w+")/, 'durableObjectNamespace = (className = $1, serviceName = "main")'));
  writeFileSync(
    join(folder, "config.capnp"),
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),${twin ? '\n    (name = "twin", worker = .twin),' : ""}
    ${files === undefined ? `(name = "assets", disk = (path = "${join(ROOT, "build/assets-dev")}")),` : service("assets", files).trim()}
    (name = "storage", disk = (path = "${storage}", writable = true)),
    (name = "internet", network = (allow = ["private"])),${service("colo", colo)}${service("kv", kv)}
  ],
  sockets = [
    (name = "http", address = "127.0.0.1:0", http = (), service = "main"),${twin ? '\n    (name = "twin", address = "127.0.0.1:0", http = (), service = "twin"),' : ""}
  ],
);
const twin :Workerd.Worker = (
  modules = [${embed(typeof twin === "object" ? twin : worker.modules)}],
  compatibilityDate = "2026-11-01",${cache}
  bindings = [${shared.join(", ")}],
);
const worker :Workerd.Worker = (
  modules = [${embed(worker.modules)}],
  compatibilityDate = "2026-11-01",${cache}
  bindings = [${bindings.join(", ")}],
  durableObjectNamespaces = [${worker.classes.map((name) => `(className = "${name}", uniqueKey = "${name}", enableSql = true)`).join(", ")}],
  durableObjectStorage = (localDisk = "storage"),
);
`,
  );
  const child = spawn(BINARY, ["serve", "--control-fd=3", join(folder, "config.capnp")], { stdio: ["ignore", "inherit", "pipe", "pipe"] });
  let errors = "";
  child.stderr?.on("data", (chunk) => (errors = (errors + chunk).slice(-20_000)));
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const [port, other] = await new Promise((/** @type {(ports: number[]) => void} */ resolve, reject) => {
    let control = "";
    /** @type {import("node:stream").Readable} */ (child.stdio[3]).on("data", (chunk) => {
      control += chunk;
      const portOf = (/** @type {string} */ socket) => control.split("\n").filter((line) => line.includes(`"${socket}"`)).map((line) => Number(line.match(/"port"\s*:\s*(\d+)/)?.[1]))[0];
      const ports = [portOf("http"), portOf("twin")];
      if (ports[0] && (ports[1] || !twin)) resolve(ports);
    });
    child.once("exit", (code) => reject(new Error(`workerd exited with ${code} before it listened:\n${errors}`)));
  });
  let isKilled = false;
  child.once("exit", (code, signal) => {
    if (!isKilled) console.error(`workerd ended by itself (${code ?? signal}):\n${errors}`);
  });
  const client = createClient(port);
  return {
    port,
    /** The port of the second isolate. */
    twin: other,
    pid: /** @type {number} */ (child.pid),
    storage,
    errors: () => errors,
    /** The processor time that it has used, in seconds: unlike a latency, it hardly depends on what else the machine does. */
    processorSeconds: () => {
      const fields = readFileSync(`/proc/${child.pid}/stat`, "utf8").split(") ")[1].split(" ");
      return (Number(fields[11]) + Number(fields[12])) / 100;
    },
    /** Kills workerd, which can write nothing more. */
    kill: async () => {
      isKilled = true;
      client.close();
      child.kill("SIGKILL");
      await ended;
    },
    /** Removes its files. */
    removeFiles: () => rmSync(folder, { recursive: true, force: true }),
    ask: client.ask,
    send: client.send,
  };
}

/** Creates an HTTP client for a local port. @param {number} port */
export function createClient(port) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 256 });
  /** Sends a request and returns the response with its header fields. @param {string} path @param {string | Buffer} [body] @param {Record<string, string>} [headers] */
  const ask = (path, body, headers = {}) => send({ port, agent, path, method: body === undefined ? "GET" : "POST", headers }, body);
  return {
    close: () => agent.destroy(),
    ask,
    /**
     * @param {string} path @param {string | Buffer} [body] @param {Record<string, string>} [headers]
     * @returns {Promise<{ status: number, text: string }>}
     */
    send: (path, body, headers) => ask(path, body, headers).then(({ status, text }) => ({ status, text })),
  };
}

/** The database files of a class. @param {string} storage @param {string} name */
export function databases(storage, name) {
  const folder = join(storage, name);
  return readdirSync(folder)
    .filter((file) => file.endsWith(".sqlite") && file !== "metadata.sqlite")
    .map((file) => join(folder, file));
}

/** Creates a generator of numbers from 0 to 1 (mulberry32). @param {number} seed */
export function createRandom(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * @param {http.RequestOptions} options @param {string | Buffer} [body]
 * @returns {Promise<{ status: number, text: string, headers: http.IncomingHttpHeaders }>}
 */
function send(options, body) {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { "content-length": Buffer.byteLength(body) };
    const request = http.request({ host: "127.0.0.1", ...options, headers: { ...length, .../** @type {any} */ (options.headers) } }, (answer) => {
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (chunk) => (text += chunk));
      answer.on("end", () => resolve({ status: answer.statusCode ?? 0, text, headers: answer.headers }));
      answer.on("error", reject);
      answer.on("aborted", () => reject(new Error("the response was cut off")));
    });
    request.on("error", reject);
    request.end(body);
  });
}

/** Quotes a text for Cap'n Proto. @param {string} value */
function quote(value) {
  return JSON.stringify(value);
}
