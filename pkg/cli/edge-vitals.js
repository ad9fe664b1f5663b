#!/usr/bin/env node
// The command line. Each command first describes itself on stderr, so that stdout holds its output alone.
// Exit codes: 0 success, 1 a budget is violated, 2 no result.
import { parseArgs } from "node:util";

import { CliError } from "./cli_error.js";
import { commands } from "./commands.js";

/** @param {string[]} words */
async function main(words) {
  const [name = "help", ...rest] = words;
  if (["help", "--help", "-h"].includes(name)) return help(rest[0]);
  const command = commands[name];
  if (!command) {
    throw new CliError(`unknown command "${name}"`, "run `edge-vitals help` for a list of commands");
  }
  if (rest.some((word) => word === "--help" || word === "-h")) return help(name);
  console.error(command.about);
  return command.run(read(name, rest));
}

/** @param {string} name @param {string[]} args */
function read(name, args) {
  try {
    return parseArgs({ args, options: commands[name].options, allowPositionals: true });
  } catch (error) {
    throw new CliError(/** @type {Error} */ (error).message, `see \`edge-vitals ${name} --help\``);
  }
}

/** @param {string} [name] */
function help(name) {
  const command = name ? commands[name] : undefined;
  if (command) {
    console.log(`${command.about}\n\n${command.help.replace(/^\n|\s+$/g, "")}`);
    return 0;
  }
  console.log("edge-vitals: one budgets.json for the lab, the field and the deployment gate.\n");
  const width = Math.max(...Object.keys(commands).map((known) => known.length));
  for (const [known, { about }] of Object.entries(commands)) console.log(`  ${known.padEnd(width)}  ${about}`);
  console.log("\nExit codes: 0 success, 1 a budget is violated, 2 insufficient data or an error.");
  console.log("Run `edge-vitals <command> --help` for options and examples.");
  return 0;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (error instanceof CliError) console.error(`✗ ${error.message}\n  ${error.remedy}`);
  else console.error("✗ Internal error of edge-vitals, please report it:", error);
  process.exitCode = 2;
}
