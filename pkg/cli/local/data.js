// One workerd for each folder of data: two would write to the same databases.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

import { CliError } from "../cli_error.js";

/**
 * Ends the workerd that a killed run has left behind with this folder.
 * @param {string} data
 */
export async function holdData(data) {
  const file = join(data, "workerd.pid");
  const [pid, parent] = existsSync(file) ? readFileSync(file, "utf8").split(" ").map(Number) : [];
  if (pid && isWorkerd(pid, data)) {
    if (isAlive(parent)) throw new CliError(`${data} is in use by another run (process ${parent})`, "stop that run, or choose another folder with --data");
    process.kill(pid, "SIGTERM");
    for (const until = Date.now() + END_TIMEOUT_MS; isAlive(pid); await pause(20)) {
      if (Date.now() > until) process.kill(pid, "SIGKILL");
    }
  }
  return {
    /** @param {number} started */
    record: (started) => writeFileSync(file, `${started} ${process.pid}`),
    release: () => rmSync(file, { force: true }),
  };
}

/** True if the process is a workerd with the configuration of this folder: process numbers are used again. @param {number} pid @param {string} data */
function isWorkerd(pid, data) {
  try {
    return execFileSync("ps", ["-ww", "-o", "args=", "-p", String(pid)], { encoding: "utf8" }).includes(join(resolve(data), "workerd.capnp"));
  } catch {
    return false;
  }
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

const END_TIMEOUT_MS = 5_000;
