// All commands, in the order of typical use.
import * as budgets from "./budgets.js";
import * as deploy from "./deploy.js";
import * as dev from "./dev.js";
import * as doctor from "./doctor.js";
import * as gate from "./gate.js";
import * as init from "./init.js";
import * as lab from "./lab.js";
import * as serve from "./serve.js";
import * as site from "./site.js";
import * as tokens from "./tokens.js";
import * as verify from "./verify.js";
import * as worker from "./worker.js";

/**
 * @typedef {object} Command
 * @property {string} about the description, in one line
 * @property {string} help the usage, with examples
 * @property {Record<string, { type: "string" | "boolean", multiple?: boolean, short?: string }>} options
 * @property {boolean} [takesArguments] true if words beside the options have a meaning
 * @property {(given: { values: any, positionals: string[] }) => number | Promise<number>} run returns the exit code
 */

/** @type {Record<string, Command>} */
export const commands = { dev, init, deploy, serve, worker, budgets, "verify-lhci": verify, lab, gate, doctor, tokens, site };
