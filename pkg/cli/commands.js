// Every command, in the order in which people meet them.
import * as budgets from "./budgets.js";
import * as doctor from "./doctor.js";
import * as gate from "./gate.js";
import * as init from "./init.js";
import * as lab from "./lab.js";
import * as verify from "./verify.js";
import * as worker from "./worker.js";

/**
 * @typedef {object} Command
 * @property {string} about what it does, in one line
 * @property {string} help how to use it, with examples
 * @property {Record<string, { type: "string" | "boolean", multiple?: boolean, short?: string }>} options
 * @property {(given: { values: any, positionals: string[] }) => number | Promise<number>} run gives the exit code
 */

/** @type {Record<string, Command>} */
export const commands = { init, worker, budgets, "verify-lhci": verify, lab, gate, doctor };
