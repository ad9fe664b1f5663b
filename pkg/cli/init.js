// Creates the files that a project needs, and shows each as a diff. What is deployed lies in `edge-vitals/`, apart from
// the project's own wrangler configuration. Existing files are kept unless --overwrite is set.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline/promises";
import { fileURLToPath } from "node:url";

import { diff } from "./diff.js";
import { EARLIER_BUDGETS, readText } from "./files.js";
import { readProject } from "./local/framework.js";
import { measurementFile, measurementSteps } from "./local/snippets.js";
import { parseOrigin, parseSite } from "./parameters.js";
import { SHIPPED } from "./worker.js";

export const about = "Writes the deployment, budgets, the measurement, Lighthouse CI's configuration and a workflow for a project.";

export const help = `
  edge-vitals init --origin https://portal.example      in the project's directory
  edge-vitals init --dry-run                            shows the files without writing them

  --site NAME    the name of the site (the name in package.json)
  --origin URL   an origin of its pages in production; repeatable (asked for on a terminal)
  --dry-run      writes nothing
  --overwrite    replaces existing files that differ

  It knows Next.js, Vite, SvelteKit, Nuxt, Astro, React Router, and pages without a build.`;

export const options = /** @type {const} */ ({
  site: { type: "string" },
  origin: { type: "string", multiple: true },
  "dry-run": { type: "boolean" },
  overwrite: { type: "boolean" },
});

/** @param {{ values: any, positionals: string[] }} given */
export async function run({ values }) {
  const project = readProject();
  const site = parseSite(values.site ?? project.site);
  const origins = (values.origin ?? (await askForOrigins())).map((/** @type {string} */ origin) => parseOrigin("--origin", origin));
  let [written, kept] = [0, 0];
  for (const [name, text] of files(project, site, origins)) {
    const before = existsSync(name) ? readFileSync(name, "utf8") : undefined;
    if (before === text) {
      console.log(`= ${name} is up to date\n`);
      continue;
    }
    console.log(diff(name, before, text));
    if (values["dry-run"]) {
      console.log(`\n… ${name} would be ${before === undefined ? "written" : values.overwrite ? "replaced" : "kept"}\n`);
    } else if (before === undefined || values.overwrite) {
      mkdirSync(dirname(name), { recursive: true });
      writeFileSync(name, text);
      written += 1;
      console.log(`\n✓ ${name} ${before === undefined ? "written" : "replaced"}\n`);
    } else {
      kept += 1;
      console.log(`\n! ${name} kept; --overwrite replaces it\n`);
    }
  }
  if (!values["dry-run"]) console.log(nextSteps(project, { site, origins, written, kept }));
  return 0;
}

/** Asks on a terminal; elsewhere none is known yet. @returns {Promise<string[]>} */
async function askForOrigins() {
  if (!process.stdin.isTTY || !process.stdout.isTTY) return [];
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    const answer = await terminal.question("The origins of your pages in production, such as https://portal.example (empty: not known yet): ");
    return answer.split(/[\s,]+/).filter(Boolean);
  } finally {
    terminal.close();
  }
}

/** @param {import("./local/framework.js").Project} project @param {string} site @param {string[]} origins @returns {[name: string, text: string][]} */
function files(project, site, origins) {
  const measurement = measurementFile(project, site);
  const budgets = existsSync(EARLIER_BUDGETS) ? EARLIER_BUDGETS : join(SHIPPED, "assets/v1/budgets.json");
  const server = SERVERS[project.framework.id];
  return [
    ["edge-vitals/wrangler.toml", wranglerToml(site, origins)],
    ["edge-vitals/budgets.json", readText(budgets, "build this package with `cargo xtask build`, or install it from npm")],
    ...(server ? /** @type {[string, string][]} */ ([["edge-vitals/lighthouserc.cjs", lighthouserc(server, project.usesTypeScript)]]) : []),
    ...(measurement ? /** @type {[string, string][]} */ ([[measurement.name, measurement.text]]) : []),
    ...(server ? /** @type {[string, string][]} */ ([[".github/workflows/vitals.yml", template("vitals.yml").replace("site: SITE", `site: ${site}`)]]) : []),
  ];
}

/** The server of a built project: its command, the sign that it serves, and its address. @typedef {{ command: string, ready: string, url: string }} Server */

/** @type {Partial<Record<import("./local/framework.js").FrameworkId, Server>>} */
const SERVERS = {
  next: { command: "npm run start", ready: "Ready", url: "http://localhost:3000/" },
  nuxt: { command: "npm run preview", ready: "Listening", url: "http://localhost:3000/" },
  sveltekit: { command: "npm run preview", ready: "Local", url: "http://localhost:4173/" },
  astro: { command: "npm run preview", ready: "Local", url: "http://localhost:4321/" },
  "react-router": { command: "npm run start", ready: "http", url: "http://localhost:3000/" },
  vite: { command: "npm run preview", ready: "Local", url: "http://localhost:4173/" },
};

/** @param {Server} server @param {boolean} usesTypeScript */
function lighthouserc({ command, ready, url }, usesTypeScript) {
  const text = template("lighthouserc.cjs").replace("URL", url).replace("COMMAND", command).replace("READY", ready);
  // The rule is in the configurations for TypeScript alone; elsewhere, naming it would be reported.
  return usesTypeScript ? `/* eslint-disable @typescript-eslint/no-require-imports -- Lighthouse CI loads CommonJS. */\n${text}` : text;
}

/** @param {string} name */
const template = (name) => readFileSync(join(dirname(fileURLToPath(import.meta.url)), "templates", name), "utf8");

/** The package's wrangler.toml, adapted to the project. @param {string} site @param {string[]} origins */
function wranglerToml(site, origins) {
  const own = readFileSync(join(SHIPPED, "wrangler.toml"), "utf8");
  /** @type {[RegExp, string][]} */
  const edits = [
    [/^# The deployment\.[^]*?(?=\nname = )/, "# The edge-vitals Worker of this project. `npx edge-vitals deploy` deploys it; with wrangler, name this file:\n# `npx wrangler deploy --config edge-vitals/wrangler.toml --env production`.\n# Environments do not inherit bindings, so each one repeats them."],
    [/name = "edge-vitals/g, `name = "${site}-vitals`],
    [/main = "build\/index\.js"/, 'main = "../node_modules/.cache/edge-vitals/worker/index.js"'],
    [/command = "cargo xtask build worker"\nwatch_dir = \[.*\]/, '# wrangler runs this where it was started, in the project\'s folder.\ncommand = "npx edge-vitals worker"\nwatch_dir = ["edge-vitals"]'],
    [/directory = "build\/assets"/g, 'directory = "../node_modules/.cache/edge-vitals/assets"'],
    [/SITES = \{.*\}/g, `SITES = { "${site}" = { origins = ${JSON.stringify(origins)}, public = false } }`],
    // The environment of this package's own development.
    [/\n\[env\.dev\][^]*$/, ""],
  ];
  return edits.reduce((text, [found, replacement]) => {
    if (text.search(found) < 0) throw new Error(`${found} is not in the package's wrangler.toml`);
    return text.replace(found, replacement);
  }, own);
}

/** With an older Node, npm selects a wrangler that cannot run this Worker. */
const MIN_NODE = 22;

/** @param {import("./local/framework.js").Project} project @param {{ site: string, origins: string[], written: number, kept: number }} outcome */
function nextSteps(project, { site, origins, written, kept }) {
  const hasPackages = project.framework.id !== "html";
  const missing = ["workerd", "wrangler", ...(hasPackages ? ["@lhci/cli"] : [])].filter((name) => !project.packages.has(name));
  const measured = measurementSteps(project, { site, endpoint: "http://localhost:8787/v1/vitals" });
  const [host] = origins;
  const steps = [
    ...(hasPackages && !project.packages.has("edge-vitals") ? [["npm install edge-vitals"]] : []),
    ...(missing.length ? [[`npm install --save-dev ${missing.join(" ")}`, "  workerd runs the Worker on this machine, wrangler deploys it, @lhci/cli runs Lighthouse"]] : []),
    measured,
    ["npx edge-vitals dev", "  runs the Worker on this machine, and says when your pages' beacons arrive"],
    ...(host ? [] : [["List the origins of your pages in production in edge-vitals/wrangler.toml:", `  SITES = { "${site}" = { origins = ["https://…"], public = false } }`]]),
    ["npx edge-vitals deploy", "  asks before it changes anything, and prints what to set in your pages"],
    [`npx edge-vitals doctor --url <the Worker's address> --site ${site}${host ? ` --origin ${host}` : ""}`],
    ...(SERVERS[project.framework.id] ? [["Commit .github/workflows/vitals.yml; it judges pull requests in the lab, and releases in the field."]] : []),
  ];
  return [
    `${written} files written${kept ? `, ${kept} kept` : ""}. Next:`,
    ...(Number(process.versions.node.split(".")[0]) < MIN_NODE ? [`  Install Node ${MIN_NODE} or later, which wrangler requires (this is ${process.version}).`] : []),
    ...steps.flatMap(([first, ...rest], index) => [`${index + 1}. ${first}`, ...rest.map((line) => `   ${line}`)]),
  ].join("\n");
}
