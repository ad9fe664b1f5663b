// Runs the programs of the package and of Lighthouse CI, each in a temporary directory.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { after } from "node:test";

const ROOT = new URL("..", import.meta.url).pathname;
const BIN = join(ROOT, "node_modules/.bin");

/** @type {string[]} */
const directories = [];
after(() => directories.forEach((path) => rmSync(path, { recursive: true, force: true })));

/** Creates a temporary directory, which is removed after the file's last test. @param {Record<string, string>} [files] */
export function directory(files = {}) {
  const path = mkdtempSync(join(tmpdir(), "edge-vitals-"));
  directories.push(path);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
  return path;
}

/**
 * Runs a program to completion.
 * @param {string} cwd @param {string[]} words @param {Record<string, string>} [env]
 * @returns {Promise<{ code: number | null, out: string, err: string }>}
 */
export function run(cwd, [program, ...args], env = {}) {
  const environment = { ...process.env, PATH: `${BIN}${delimiter}${process.env.PATH}`, CHROME_PATH: process.env.CHROMIUM, NO_COLOR: "1", ...env };
  const child = spawn(program, args, { cwd, env: environment, stdio: ["ignore", "pipe", "pipe"] });
  let [out, err] = ["", ""];
  child.stdout.on("data", (chunk) => (out += chunk));
  child.stderr.on("data", (chunk) => (err += chunk));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, out, err }));
  });
}

/** Writes a budget file and a lighthouserc that uses it into the directory. @param {string} path @param {unknown} budgets @param {string[]} urls @param {string} [more] */
export function writeConfig(path, budgets, urls, more = "") {
  writeFileSync(join(path, "budgets.json"), JSON.stringify(budgets));
  const text = `const { lighthouserc } = require(${JSON.stringify(join(ROOT, "pkg/lighthouse.cjs"))});
module.exports = lighthouserc({ budgets: \`\${__dirname}/budgets.json\`, urls: ${JSON.stringify(urls)}, runs: 1${more} });\n`;
  writeFileSync(join(path, "lighthouserc.cjs"), text);
}

export { ROOT };
