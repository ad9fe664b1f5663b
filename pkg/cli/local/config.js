// The configuration of workerd: the packaged Worker with its objects on disk, and the services that Cloudflare's
// network would add.
import { join, relative } from "node:path";

/**
 * @typedef {object} Settings
 * @property {string} folder the directory of the configuration and the data
 * @property {string} shipped the packaged Worker
 * @property {string} compatibilityDate
 * @property {string} address
 * @property {{ folder: string, name: string }} budgets
 * @property {boolean} isLimited
 * @property {{ reportsBeacons: boolean, trustsProxy: boolean }} platform
 * @property {[name: string, variable: string][]} variables the Worker's variables, and those of the environment that hold them
 */

/** @param {Settings} settings */
export function configText({ folder, shipped, compatibilityDate, address, budgets, isLimited, platform, variables }) {
  /** Embedded files are named relative to the configuration. @param {string} file */
  const embed = (file) => `embed ${quote(relative(folder, join(shipped, file)).replaceAll("\\", "/"))}`;
  /** @param {string} name @param {string} [bindings] @param {string} [rest] */
  const service = (name, bindings = "", rest = "") =>
    `(name = "${name}", worker = (modules = [(name = "${name}.js", esModule = ${embed(`platform/${name}.js`)})], compatibilityDate = "${compatibilityDate}", bindings = [${bindings}]${rest})),`;
  /** @param {string} name @param {number} limit */
  const limiter = (name, limit) => isLimited ? `(name = "${name}", service = (name = "limiter", props = (json = ${quote(JSON.stringify({ name, limit, seconds: 60 }))}))),` : "";
  return `# Written by edge-vitals at each start.
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "worker", worker = .worker),
    ${service("assets", `(name = "FILES", service = "files"), (name = "BUDGETS", service = "budgets"), (name = "BUDGETS_NAME", text = ${quote(budgets.name)})`)}
    ${service("kv", '(name = "FILES", service = "kv_files")')}
    ${service("limiter")}
    ${service("no_cache")}
    (name = "files", disk = (path = ${quote(join(shipped, "assets"))})),
    (name = "budgets", disk = (path = ${quote(budgets.folder)})),
    (name = "objects", disk = (path = ${quote(join(folder, "objects"))}, writable = true)),
    (name = "kv_files", disk = (path = ${quote(join(folder, "kv"))}, writable = true)),
    (name = "internet", network = (allow = ["public", "private"], tlsOptions = (trustBrowserCas = true))),
  ],
  sockets = [
    (name = "http", address = ${quote(address)}, http = (), service = "worker"),
    (name = "cron", address = "127.0.0.1:0", http = (), service = (name = "worker", entrypoint = "Cron")),
  ],
);
const worker :Workerd.Worker = (
  modules = [
    (name = "front.js", esModule = ${embed("platform/front.js")}),
    (name = "index.js", esModule = ${embed("worker/index.js")}),
    (name = "index_bg.wasm", wasm = ${embed("worker/index_bg.wasm")}),
  ],
  compatibilityDate = "${compatibilityDate}",
  cacheApiOutbound = "no_cache",
  bindings = [
    (name = "SHARDS_OF_SITES", durableObjectNamespace = "Shard"),
    (name = "TAG_CLOCK", durableObjectNamespace = "TagClock"),
    (name = "ASSETS", service = "assets"),
    (name = "CACHE_KV", kvNamespace = "kv"),
    ${limiter("INGEST_RATE", 6_000)}
    ${limiter("SITE_RATE", 60_000)}
    ${limiter("READ_RATE", 120)}
    (name = "PLATFORM", json = ${quote(JSON.stringify(platform))}),
${variables.map(([name, variable]) => `    (name = "${name}", fromEnvironment = "${variable}"),`).join("\n")}
  ],
  durableObjectNamespaces = [
    (className = "Shard", uniqueKey = "Shard", enableSql = true),
    (className = "TagClock", uniqueKey = "TagClock", enableSql = true),
  ],
  durableObjectStorage = (localDisk = "objects"),
);
`;
}

/** A text of Cap'n Proto, in which no other escapes occur. @param {string} text */
const quote = (text) => `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
