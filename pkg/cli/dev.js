// Runs the packaged Worker on this machine for the project in the current directory, and says on the terminal what
// becomes of the beacons of its pages.
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { CliError } from "./cli_error.js";
import { budgetsFile, readBudgets } from "./files.js";
import { BeaconReporter } from "./local/beacons.js";
import { deployedSite } from "./local/deployment.js";
import { holdData } from "./local/data.js";
import { readProject } from "./local/framework.js";
import { measurementSteps } from "./local/snippets.js";
import { shippedBudgets, startWorkerd } from "./local/workerd.js";
import { parseOrigin, parsePort, parseSite } from "./parameters.js";

export const about = "Runs the Worker on this machine for the pages of this project, and reports their beacons.";

export const help = `
  edge-vitals dev                                   in the project's directory, beside its development server
  edge-vitals dev --origin http://localhost:3000    puts the cache before it, too

  --site NAME      the site of your pages (that of edge-vitals/wrangler.toml, or the name in package.json)
  --page URL       the origin of your pages; repeatable (that of the framework's development server)
  --origin URL     the server behind the cache (none)
  --port N         the Worker's port (8787)
  --budgets FILE   your budgets (edge-vitals/budgets.json)
  --data FOLDER    its data (.edge-vitals/dev)
  --fresh          deletes the data of earlier runs

  It needs the npm package workerd: npm install --save-dev workerd`;

export const options = /** @type {const} */ ({
  site: { type: "string" },
  page: { type: "string", multiple: true },
  origin: { type: "string" },
  port: { type: "string" },
  budgets: { type: "string" },
  data: { type: "string" },
  fresh: { type: "boolean" },
});

/** @param {{ values: any, positionals: string[] }} given */
export async function run({ values }) {
  const project = readProject();
  const site = parseSite(values.site ?? deployedSite() ?? project.site);
  const port = parsePort(values.port, DEFAULT_PORT);
  const pages = pageOrigins(values.page, project.framework.port);
  const behind = values.origin && parseOrigin("--origin", values.origin);
  const budgets = values.budgets ?? (existsSync(budgetsFile()) ? budgetsFile() : shippedBudgets());
  readBudgets(budgets);
  const data = values.data ?? DATA;
  if (values.fresh) rmSync(data, { recursive: true, force: true });
  mkdirSync(data, { recursive: true });
  if (data === DATA) writeFileSync(".edge-vitals/.gitignore", "*\n");

  const url = `http://localhost:${port}`;
  // A host with routes serves the origin at every path that is not the Worker's own.
  const dashboard = behind ? `http://127.0.0.1:${port}` : url;
  const token = localToken(data);
  const reporter = new BeaconReporter({ url: new URL(dashboard), site, budgets, print: (line) => console.log(line) });
  const hold = await holdData(data);
  const workerd = await startWorkerd({
    data,
    address: `127.0.0.1:${port}`,
    budgets,
    isLimited: false,
    reportsBeacons: true,
    variables: {
      SITES: { [site]: { origins: pages, public: true }, "vitals-dashboard": {} },
      PUBLIC_CACHE_SECONDS: "0",
      DASHBOARD_URL: dashboard,
      MANAGE_TOKEN: token,
      CACHE_TOKEN: token,
      ...(behind ? { EDGE: edge(`localhost:${port}`, behind, site, project.framework.id) } : {}),
    },
    onLine: (line) => reporter.read(line),
  });
  hold.record(workerd.pid);
  for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM"])) process.once(signal, () => void workerd.stop());
  await workerd.cron();

  console.log([
    `${project.framework.name}: pages of ${pages[0]}, site ${site}`,
    `  Dashboard   ${dashboard}/`,
    `  Beacons     ${url}/v1/vitals`,
    ...(behind ? [`  Your pages  ${url}/ through the cache, from ${behind}`] : []),
    `  Budgets     ${budgets === shippedBudgets() ? "those of this package; `edge-vitals init` writes your own" : budgets}`,
    `  Token       ${token} (for alerts and the cache, on this machine)`,
    "",
    ...measurementSteps(project, { site, endpoint: behind ? "/v1/vitals" : `${url}/v1/vitals` }),
    "",
    "Waiting for the first beacon. Open a page, then leave it or switch to another tab. Ctrl-C ends it.",
  ].join("\n"));
  const code = await workerd.ended;
  hold.release();
  return code ? 2 : 0;
}

/** @param {string[] | undefined} given @param {number} port */
function pageOrigins(given, port) {
  // The same server, by both of its names.
  return given?.map((page) => parseOrigin("--page", page)) ?? [`http://localhost:${port}`, `http://127.0.0.1:${port}`];
}

/** One route for all paths of the development server. @param {string} host @param {string} origin @param {string} site @param {string} framework */
function edge(host, origin, site, framework) {
  const routerFields = framework === "next" ? { key_headers: ["rsc", "next-router-state-tree", "next-router-prefetch", "next-router-segment-prefetch", "next-url"] } : {};
  return { routes: [{ host, path: "/**", origin, site, ...routerFields }] };
}

/** A token that stays the same between runs. @param {string} data */
function localToken(data) {
  const file = join(data, "token");
  if (!existsSync(file)) writeFileSync(file, randomBytes(16).toString("hex"), { mode: 0o600 });
  const token = readFileSync(file, "utf8").trim();
  if (token.length < 16) throw new CliError(`${file} is empty`, "remove it, and run the command again");
  return token;
}

const DEFAULT_PORT = 8787;
const DATA = ".edge-vitals/dev";
