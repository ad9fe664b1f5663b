// Creates the files that a Next.js project needs, and shows each as a diff. Existing files are kept unless
// --overwrite is set.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { CliError } from "./cli_error.js";
import { diff } from "./diff.js";
import { readText } from "./files.js";
import { SHIPPED } from "./worker.js";

export const about = "Writes wrangler.toml, budgets, the measurement, Lighthouse CI's configuration and a workflow for a Next.js project.";

export const help = `
  edge-vitals init --origin https://portal.example      in the project's directory
  edge-vitals init --dry-run                            shows the files without writing them

  --site NAME    the name of the site (the name in package.json)
  --origin URL   the origin of its pages (http://localhost:3000)
  --dry-run      writes nothing
  --overwrite    replaces existing files that differ`;

export const options = /** @type {const} */ ({
  site: { type: "string" },
  origin: { type: "string" },
  "dry-run": { type: "boolean" },
  overwrite: { type: "boolean" },
});

/** @param {{ values: any, positionals: string[] }} given */
export function run({ values }) {
  const project = readProject();
  const site = values.site ?? project.name.replace(/^@[^/]*\//, "").replace(/[^A-Za-z0-9._-]/g, "-");
  if (!/^[A-Za-z0-9._-]{1,64}$/.test(site)) throw new CliError(`"${site}" is not a valid site name`, "set --site to 1 to 64 letters, digits, dots, dashes or underscores");
  const origin = parseOrigin(values.origin ?? "http://localhost:3000");
  let [written, kept] = [0, 0];
  for (const [name, text] of files(site, origin)) {
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
  if (!values["dry-run"]) console.log(nextSteps(project, site, written, kept));
  return 0;
}

function readProject() {
  const remedy = "run this in the directory of a Next.js project";
  const project = JSON.parse(readText("package.json", remedy));
  if (!project.dependencies?.next && !project.devDependencies?.next) throw new CliError("package.json does not depend on next", remedy);
  return { name: String(project.name ?? "site"), has: new Set(Object.keys({ ...project.dependencies, ...project.devDependencies })) };
}

/** @param {string} text */
function parseOrigin(text) {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.pathname !== "/") {
    throw new CliError(`--origin "${text}" is not an origin`, "use a value such as https://portal.example, without a path");
  }
  return url.origin;
}

/** @param {string} site @param {string} origin @returns {[name: string, text: string][]} */
function files(site, origin) {
  return [
    ["wrangler.toml", wranglerToml(site, origin)],
    ["lighthouse/budgets.json", readText(join(SHIPPED, "assets/v1/budgets.json"), "build this package with `cargo xtask build`, or install it from npm")],
    ["lighthouse/lighthouserc.cjs", template("lighthouserc.cjs")],
    [existsSync("src") ? "src/instrumentation-client.js" : "instrumentation-client.js", template("instrumentation-client.js").replace("SITE", site)],
    [".github/workflows/vitals.yml", template("vitals.yml").replace("site: SITE", `site: ${site}`)],
  ];
}

/** @param {string} name */
const template = (name) => readFileSync(join(dirname(fileURLToPath(import.meta.url)), "templates", name), "utf8");

/** The package's wrangler.toml, adapted to the project. @param {string} site @param {string} origin */
function wranglerToml(site, origin) {
  const own = readFileSync(join(SHIPPED, "wrangler.toml"), "utf8");
  /** @type {[RegExp, string][]} */
  const edits = [
    [/^# The deployment\.[^]*?(?=\nname = )/, "# The edge-vitals Worker of this project. `npx wrangler deploy --env production` builds and deploys it.\n# Environments do not inherit bindings, so each one repeats them."],
    [/name = "edge-vitals/g, `name = "${site}-vitals`],
    [/main = "build\/index\.js"/, 'main = ".edge-vitals/worker/index.js"'],
    [/command = "cargo xtask build worker"/, 'command = "npx edge-vitals worker"'],
    [/watch_dir = \[.*\]/, 'watch_dir = ["lighthouse"]'],
    [/directory = "build\/assets"/g, 'directory = ".edge-vitals/assets"'],
    [/SITES = \{.*\}/g, `SITES = { "${site}" = { origins = ["${origin}"], public = false } }`],
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

/** @param {ReturnType<typeof readProject>} project @param {string} site @param {number} written @param {number} left */
function nextSteps({ has }, site, written, left) {
  const missing = ["edge-vitals", "@lhci/cli", "wrangler"].filter((name) => !has.has(name));
  return [
    `${written} files written${left ? `, ${left} kept` : ""}. Next:`,
    ...(missing.length ? [`  npm install --save-dev ${missing.join(" ")}`] : []),
    ...(Number(process.versions.node.split(".")[0]) < MIN_NODE ? [`  install Node ${MIN_NODE} or later, which wrangler requires (this is ${process.version})`] : []),
    "  npx wrangler dev --var READ_TOKEN:try   serves the Worker locally at http://localhost:8787",
    "  npx wrangler deploy --env production    deploys it with your budgets",
    `  npx edge-vitals doctor --url <the Worker's address> --site ${site}`,
    "",
    "In your root layout, and in pages/_app if you have one:",
    '  import { VitalsRoute } from "edge-vitals/next/route";',
    "  <VitalsRoute />",
    "If the Worker does not serve /v1/* of the pages' own host:",
    "  NEXT_PUBLIC_VITALS_ENDPOINT=<the Worker's address>/v1/vitals",
  ].join("\n");
}
