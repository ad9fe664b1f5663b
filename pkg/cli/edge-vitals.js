#!/usr/bin/env node
// The command line. Each command first describes itself on stderr, so that stdout holds its output alone.
// Exit codes: 0 success, 1 a budget is violated, 2 no result.
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";

import { CliError } from "./cli_error.js";
import { commands } from "./commands.js";

/** @param {string[]} words */
async function main(words) {
  const [name = "help", ...rest] = words;
  if (["help", "--help", "-h"].includes(name)) return help(rest[0]);
  if (["version", "--version", "-v"].includes(name)) return printVersion();
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!command) {
    throw new CliError(`unknown command "${name}"`, suggestion(name, Object.keys(commands)) ?? "run `edge-vitals help` for a list of commands");
  }
  if (rest.some((word) => word === "--help" || word === "-h")) return help(name);
  console.error(command.about);
  return command.run(read(name, rest));
}

/** @param {string} name @param {string[]} args */
function read(name, args) {
  const { options, takesArguments = false } = commands[name];
  const remedy = `see \`edge-vitals ${name} --help\``;
  let given;
  try {
    given = parseArgs({ args, options, allowPositionals: true, strict: false, tokens: true });
    const unknown = given.tokens.find((token) => token.kind === "option" && !Object.hasOwn(options, token.name));
    if (unknown?.kind === "option") {
      throw new CliError(`unknown option ${unknown.rawName} of ${name}`, suggestion(unknown.name, Object.keys(options), "--") ?? remedy);
    }
    given = parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    if (error instanceof CliError) throw error;
    // The first sentence says what is missing; the others are about Node's own conventions.
    const [message] = /** @type {Error} */ (error).message.split(/\. |\n/);
    throw new CliError(`${message.replace(/\.$/, "")}`, remedy);
  }
  if (!takesArguments && given.positionals.length) throw new CliError(`unexpected argument "${given.positionals[0]}" of ${name}`, remedy);
  return given;
}

/** The known name that is nearest to a word, if it is a slip of one or two letters. @param {string} word @param {string[]} names @param {string} [prefix] */
function suggestion(word, names, prefix = "") {
  const [nearest] = names.map((name) => ({ name, edits: distance(word, name) })).sort((left, right) => left.edits - right.edits);
  return nearest && nearest.edits <= Math.max(1, Math.min(MAX_EDITS, Math.floor(word.length / 2))) ? `did you mean ${prefix}${nearest.name}?` : undefined;
}

/** The number of single letters to insert, remove or replace, or neighbours to swap. @param {string} from @param {string} to */
function distance(from, to) {
  /** @type {number[][]} */
  const rows = [Array.from({ length: to.length + 1 }, (_, column) => column)];
  for (let i = 1; i <= from.length; i += 1) {
    rows[i] = [i];
    for (let j = 1; j <= to.length; j += 1) {
      const replaced = rows[i - 1][j - 1] + (from[i - 1] === to[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1] ? rows[i - 2][j - 2] + 1 : Infinity;
      rows[i][j] = Math.min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, replaced, swapped);
    }
  }
  return rows[from.length][to.length];
}

const MAX_EDITS = 2;

function printVersion() {
  console.log(JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")).version);
  return 0;
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
