// Programs of the package and of Lighthouse CI, in a directory of their own.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { after } from "node:test";

const ROOT = new URL("..", import.meta.url).pathname;
const BIN = join(ROOT, "node_modules/.bin");

/** @type {string[]} */
const made = [];
after(() => made.forEach((path) => rmSync(path, { recursive: true, force: true })));

/** A directory, gone after the last test of the file. @param {Record<string, string>} [files] */
export function directory(files = {}) {
  const path = mkdtempSync(join(tmpdir(), "edge-vitals-"));
  made.push(path);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
  return path;
}

/**
 * A program to its end. @param {string} cwd @param {string[]} words @param {Record<string, string>} [env]
 * @returns {Promise<{ code: number | null, out: string, err: string }>}
 */
export function run(cwd, [program, ...args], env = {}) {
  const all = { ...process.env, PATH: `${BIN}${delimiter}${process.env.PATH}`, CHROME_PATH: process.env.CHROMIUM, NO_COLOR: "1", ...env };
  const child = spawn(program, args, { cwd, env: all, stdio: ["ignore", "pipe", "pipe"] });
  let [out, err] = ["", ""];
  child.stdout.on("data", (chunk) => (out += chunk));
  child.stderr.on("data", (chunk) => (err += chunk));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, out, err }));
  });
}

/** A lighthouserc in that directory, made of these budgets. @param {string} path @param {unknown} budgets @param {string[]} urls @param {string} [more] */
export function configured(path, budgets, urls, more = "") {
  writeFileSync(join(path, "budgets.json"), JSON.stringify(budgets));
  const text = `const { lighthouserc } = require(${JSON.stringify(join(ROOT, "pkg/lighthouse.cjs"))});
module.exports = lighthouserc({ budgets: \`\${__dirname}/budgets.json\`, urls: ${JSON.stringify(urls)}, runs: 1${more} });\n`;
  writeFileSync(join(path, "lighthouserc.cjs"), text);
}

export { ROOT };
