// workerd with the packaged Worker: finds the program, starts it with a configuration of its own, and runs the cron.
import { spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, readSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join, resolve } from "node:path";

import { CliError, errorMessage } from "../cli_error.js";
import { SHIPPED } from "../worker.js";
import { configText } from "./config.js";

/**
 * @typedef {object} Options
 * @property {string} data the directory of the database and the KV
 * @property {string} address where it listens, such as 127.0.0.1:8787
 * @property {string} budgets the file of budgets
 * @property {Record<string, unknown>} variables the Worker's variables and secrets
 * @property {boolean} [isLimited] false on the machine of a developer, whose visits all come from one address
 * @property {boolean} [reportsBeacons] prints what becomes of each beacon
 * @property {boolean} [trustsProxy] takes the visitor's address from X-Forwarded-For
 * @property {(line: string) => void} onLine gets each line that workerd prints
 */

/** Starts workerd. Resolves once it listens. @param {Options} options */
export async function startWorkerd({ data, address, budgets, variables, isLimited = true, reportsBeacons = false, trustsProxy = false, onLine }) {
  const program = findWorkerd();
  if (!existsSync(SHIPPED)) throw new CliError("this package does not contain the Worker", "build it with `cargo xtask build`, or install the package from npm");
  const folders = { objects: join(data, "objects"), kv: join(data, "kv") };
  for (const folder of Object.values(folders)) mkdirSync(folder, { recursive: true });
  const { texts, environment } = inEnvironment(variables);
  const config = join(resolve(data), "workerd.capnp");
  writeFileSync(config, configText({
    folder: resolve(data),
    shipped: SHIPPED,
    compatibilityDate: compatibilityDate(),
    address,
    budgets: { folder: resolve(dirname(budgets)), name: basename(budgets) },
    isLimited,
    platform: { reportsBeacons, trustsProxy },
    variables: texts,
  }));
  const child = spawn(program, ["serve", "--control-fd=3", config], { stdio: ["ignore", "pipe", "pipe", "pipe"], env: { ...process.env, ...environment } });
  /** @type {string[]} */
  const lastLines = [];
  for (const stream of [child.stdout, child.stderr]) {
    onEachLine(/** @type {import("node:stream").Readable} */ (stream), (line) => {
      lastLines.push(line);
      if (lastLines.length > MAX_KEPT_LINES) lastLines.shift();
      onLine(line);
    });
  }
  /** @type {Promise<number | null>} */
  const ended = new Promise((resolve) => child.once("exit", (code) => resolve(code)));
  const ports = await new Promise((/** @type {(ports: Map<string, number>) => void} */ resolve, reject) => {
    /** @type {Map<string, number>} */
    const listening = new Map();
    onEachLine(/** @type {import("node:stream").Readable} */ (child.stdio[3]), (line) => {
      const { event, socket, port } = JSON.parse(line);
      if (event === "listen") listening.set(socket, port);
      if (listening.size === 2) resolve(listening);
    });
    child.once("error", (error) => reject(new CliError(`workerd cannot be started: ${errorMessage(error)}`, INSTALL)));
    child.once("exit", () => reject(startError(lastLines.join("\n"), address)));
  });
  const cron = async () => {
    removeExpired(folders.kv);
    const response = await fetch(`http://127.0.0.1:${ports.get("cron")}/`);
    if (!response.ok) onLine(`the cron failed with ${response.status}`);
  };
  // The program ends with workerd.
  const timer = setInterval(() => cron().catch((error) => onLine(`the cron failed: ${errorMessage(error)}`)), CRON_INTERVAL_MS);
  timer.unref();
  return {
    port: /** @type {number} */ (ports.get("http")),
    pid: /** @type {number} */ (child.pid),
    /** Runs the cron now. */
    cron,
    /** Resolves to the exit code when workerd ends. */
    ended,
    stop() {
      child.kill("SIGTERM");
      return ended;
    },
  };
}

/** The budgets of a project that has none of its own. */
export const shippedBudgets = () => join(SHIPPED, "assets/v1/budgets.json");

/** The program in the npm package `workerd`, of the project, of this package, or of the wrangler beside them. */
function findWorkerd() {
  const places = [join(process.cwd(), "package.json"), import.meta.url];
  for (const place of places) {
    for (const path of [[], ["wrangler"], ["wrangler", "miniflare"]]) {
      try {
        let from = createRequire(place);
        for (const name of path) from = createRequire(from.resolve(`${name}/package.json`));
        const { default: program, compatibilityDate: latest, version } = from("workerd");
        if (latest < compatibilityDate()) throw new CliError(`workerd ${version} is too old: the Worker needs the compatibility date ${compatibilityDate()}`, INSTALL);
        return program;
      } catch (error) {
        if (error instanceof CliError) throw error;
      }
    }
  }
  throw new CliError("the npm package workerd, which runs the Worker on this machine, is not installed", INSTALL);
}

const compatibilityDate = () => /** @type {RegExpExecArray} */ (/^compatibility_date = "(.*)"$/m.exec(readFileSync(join(SHIPPED, "wrangler.toml"), "utf8")))[1];

/**
 * Passes the variables in the environment, so that no secret is written to a file.
 * @param {Record<string, unknown>} variables
 */
function inEnvironment(variables) {
  /** @type {Record<string, string>} */
  const environment = {};
  /** @type {[name: string, variable: string][]} */
  const texts = [];
  for (const [name, value] of Object.entries(variables)) {
    const variable = `EDGE_VITALS_VARIABLE_${name}`;
    environment[variable] = typeof value === "string" ? value : JSON.stringify(value);
    texts.push([name, variable]);
  }
  return { texts, environment };
}

/** @param {string} output @param {string} address */
function startError(output, address) {
  if (/Address already in use|EADDRINUSE/i.test(output)) return new CliError(`${address} is in use by another program`, "choose another port with --port N");
  return new CliError(`workerd ended before it listened:\n${output}`, "correct what it says, and run the command again");
}

/** @param {import("node:stream").Readable} stream @param {(line: string) => void} onLine */
function onEachLine(stream, onLine) {
  let rest = "";
  stream.setEncoding("utf8");
  stream.on("data", (chunk) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line) onLine(line);
  });
}

/** Removes the files of the KV that have expired; their first 15 digits are the time. @param {string} folder */
function removeExpired(folder) {
  for (const name of readdirSync(folder)) {
    const file = join(folder, name);
    const head = Buffer.alloc(15);
    const opened = openSync(file, "r");
    readSync(opened, head);
    closeSync(opened);
    const expires = Number(head.toString());
    if (expires && expires < Date.now()) rmSync(file, { force: true });
  }
}

const INSTALL = "run `npm install --save-dev workerd@latest`";
const CRON_INTERVAL_MS = 15 * 60_000;
const MAX_KEPT_LINES = 20;
