// The files that a Next.js project needs, shown as a diff before anything else. What is there already
// is left alone unless it is asked to be overwritten.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { diff } from "./diff.js";
import { read } from "./files.js";
import { Trouble } from "./trouble.js";
import { SHIPPED } from "./worker.js";

export const about = "Writes wrangler.toml, budgets, Lighthouse CI's configuration and a workflow for a Next.js project.";

export const help = `
  edge-vitals init --origin https://portal.example      in the project's directory
  edge-vitals init --dry-run                            shows what it would write, and writes nothing

  --site NAME    the name of the site (that of package.json)
  --origin URL   where its pages are served (http://localhost:3000)
  --dry-run      writes nothing
  --overwrite    also replaces files that are there and differ`;

export const options = /** @type {const} */ ({
  site: { type: "string" },
  origin: { type: "string" },
  "dry-run": { type: "boolean" },
  overwrite: { type: "boolean" },
});

/** @param {{ values: any, positionals: string[] }} given */
export function run({ values }) {
  const project = projectHere();
  const site = values.site ?? project.name.replace(/^@[^/]*\//, "").replace(/[^A-Za-z0-9._-]/g, "-");
  if (!/^[A-Za-z0-9._-]{1,64}$/.test(site)) throw new Trouble(`"${site}" is no name of a site`, "give 1 to 64 letters, digits, dots, dashes or underscores with --site");
  const origin = originIn(values.origin ?? "http://localhost:3000");
  let [written, left] = [0, 0];
  for (const [name, text] of files(site, origin)) {
    const before = existsSync(name) ? readFileSync(name, "utf8") : undefined;
    if (before === text) {
      console.log(`= ${name} is as it should be\n`);
      continue;
    }
    console.log(diff(name, before, text));
    if (values["dry-run"]) {
      console.log(`\n… ${name} would be ${before === undefined ? "written" : values.overwrite ? "replaced" : "left as it is"}\n`);
    } else if (before === undefined || values.overwrite) {
      mkdirSync(dirname(name), { recursive: true });
      writeFileSync(name, text);
      written += 1;
      console.log(`\n✓ ${name} is ${before === undefined ? "written" : "replaced"}\n`);
    } else {
      left += 1;
      console.log(`\n! ${name} is left as it is; --overwrite replaces it\n`);
    }
  }
  if (!values["dry-run"]) console.log(next(project, site, written, left));
  return 0;
}

function projectHere() {
  const next = "run this in the directory of a Next.js project";
  const project = JSON.parse(read("package.json", next));
  if (!project.dependencies?.next && !project.devDependencies?.next) throw new Trouble("package.json does not name next", next);
  return { name: String(project.name ?? "site"), has: new Set(Object.keys({ ...project.dependencies, ...project.devDependencies })) };
}

/** @param {string} text */
function originIn(text) {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.pathname !== "/") {
    throw new Trouble(`"${text}" is no origin`, "write it like https://portal.example, with nothing after the host");
  }
  return url.origin;
}

/** @param {string} site @param {string} origin @returns {[name: string, text: string][]} */
function files(site, origin) {
  return [
    ["wrangler.toml", wranglerToml(site, origin)],
    ["lighthouse/budgets.json", read(join(SHIPPED, "assets/v1/budgets.json"), "build this package with `cargo xtask build`, or install it from npm")],
    ["lighthouse/lighthouserc.cjs", template("lighthouserc.cjs")],
    [".github/workflows/vitals.yml", template("vitals.yml").replace("site: SITE", `site: ${site}`)],
  ];
}

/** @param {string} name */
const template = (name) => readFileSync(join(dirname(fileURLToPath(import.meta.url)), "templates", name), "utf8");

/** The package's own deployment, as this project has it. @param {string} site @param {string} origin */
function wranglerToml(site, origin) {
  const own = readFileSync(join(SHIPPED, "wrangler.toml"), "utf8");
  /** @type {[RegExp, string][]} */
  const edits = [
    [/^# The deployment\.[^]*?(?=\nname = )/, "# The vitals of this project. `npx wrangler deploy --env production` lays out the Worker and deploys it.\n# Wrangler inherits no bindings, so each environment repeats them."],
    [/name = "edge-vitals/g, `name = "${site}-vitals`],
    [/main = "build\/index\.js"/, 'main = ".edge-vitals/worker/index.js"'],
    [/command = "cargo xtask build worker"/, 'command = "npx edge-vitals worker"'],
    [/watch_dir = \[.*\]/, 'watch_dir = ["lighthouse"]'],
    [/directory = "build\/assets"/g, 'directory = ".edge-vitals/assets"'],
    [/SITES = \{.*\}/g, `SITES = { "${site}" = { origins = ["${origin}"], public = false } }`],
    // For the demo pages of this package's own development.
    [/\n\[env\.dev\][^]*$/, ""],
  ];
  return edits.reduce((text, [found, put]) => {
    if (text.search(found) < 0) throw new Error(`${found} is not in the package's wrangler.toml`);
    return text.replace(found, put);
  }, own);
}

/** With an older one npm chooses an old wrangler, which cannot run this Worker. */
const WRANGLERS_NODE = 22;

/** @param {ReturnType<typeof projectHere>} project @param {string} site @param {number} written @param {number} left */
function next({ has }, site, written, left) {
  const missing = ["edge-vitals", "@lhci/cli", "wrangler"].filter((name) => !has.has(name));
  return [
    `${written} files written${left ? `, ${left} left as they were` : ""}. Next:`,
    ...(missing.length ? [`  npm install --save-dev ${missing.join(" ")}`] : []),
    ...(Number(process.versions.node.split(".")[0]) < WRANGLERS_NODE ? [`  and Node ${WRANGLERS_NODE} or later, which wrangler needs: this is ${process.version}`] : []),
    "  npx wrangler dev --var READ_TOKEN:try   serves the Worker on this machine, at http://localhost:8787",
    "  npx wrangler deploy --env production    deploys it with your budgets",
    `  npx edge-vitals doctor --url <the Worker's address> --site ${site}`,
    "",
    "In your root layout:",
    '  import { Vitals } from "edge-vitals/next";',
    `  <Vitals site="${site}" endpoint="<the Worker's address>/v1/vitals" />`,
  ].join("\n");
}
