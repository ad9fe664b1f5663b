#!/usr/bin/env node
// The command line. Each command says first what it does, on the error stream, so that what it prints
// can be read by another program. Exit codes: 0 all is well, 1 a budget is broken, 2 it cannot be told.
import { parseArgs } from "node:util";

import { commands } from "./commands.js";
import { Trouble } from "./trouble.js";

/** @param {string[]} words */
async function main(words) {
  const [name = "help", ...rest] = words;
  if (["help", "--help", "-h"].includes(name)) return help(rest[0]);
  const command = commands[name];
  if (!command) {
    throw new Trouble(`there is no command "${name}"`, "`edge-vitals help` lists what there is");
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
    throw new Trouble(/** @type {Error} */ (error).message, `\`edge-vitals ${name} --help\` explains it`);
  }
}

/** @param {string} [name] */
function help(name) {
  const command = name ? commands[name] : undefined;
  if (command) {
    console.log(`${command.about}\n\n${command.help.replace(/^\n|\s+$/g, "")}`);
    return 0;
  }
  console.log("edge-vitals: one budgets.json for the lab, the field and the gate of a deployment.\n");
  const width = Math.max(...Object.keys(commands).map((known) => known.length));
  for (const [known, { about }] of Object.entries(commands)) console.log(`  ${known.padEnd(width)}  ${about}`);
  console.log("\nExit codes: 0 all is well, 1 a budget is broken, 2 it cannot be told.");
  console.log("`edge-vitals <command> --help` explains a command with examples.");
  return 0;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (error instanceof Trouble) console.error(`✗ ${error.message}\n  ${error.next}`);
  else console.error("✗ This is a mistake of edge-vitals itself:", error);
  process.exitCode = 2;
}
