// Runs the packaged Worker on a machine of one's own, with its data on disk: for those without Cloudflare.
import { existsSync, mkdirSync } from "node:fs";

import { CliError } from "./cli_error.js";
import { budgetsFile, readBudgets, readJson } from "./files.js";
import { holdData } from "./local/data.js";
import { shippedBudgets, startWorkerd } from "./local/workerd.js";
import { parseOrigin, parsePort, parseSite } from "./parameters.js";

export const about = "Runs the Worker on a machine of your own, with its data on disk, without Cloudflare.";

export const help = `
  edge-vitals serve --data ./data --site portal --page https://portal.example
  edge-vitals serve --data ./data --config edge-vitals/serve.json --host 0.0.0.0 --trust-proxy

  --data FOLDER    the database and the cache's entries (required)
  --site NAME      the site, and with
    --page URL       the origins of its pages; repeatable
  --config FILE    the variables instead, as JSON: the names in [vars] of wrangler.toml
  --secret NAME    a further variable to take from the environment; repeatable
  --budgets FILE   your budgets (edge-vitals/budgets.json)
  --host ADDRESS   the address to listen on (127.0.0.1)
  --port N         the port (8787)
  --trust-proxy    takes the visitor's address and scheme from X-Forwarded-For and X-Forwarded-Proto. Set it behind a
                   proxy that sets both, and never without one: visitors can send these fields, too

  Secrets come from the environment: READ_TOKEN, MANAGE_TOKEN, CACHE_TOKEN, ACCESS_TOKENS, EVIDENCE_SECRET,
  ALERT_CHANNELS, PUSH_KEYS, OTLP_HEADERS, SENTRY_DSN, GA4_SECRET.
  It needs the npm package workerd: npm install workerd`;

export const options = /** @type {const} */ ({
  data: { type: "string" },
  site: { type: "string" },
  page: { type: "string", multiple: true },
  config: { type: "string" },
  secret: { type: "string", multiple: true },
  budgets: { type: "string" },
  host: { type: "string" },
  port: { type: "string" },
  "trust-proxy": { type: "boolean" },
});

/** @param {{ values: any, positionals: string[] }} given */
export async function run({ values }) {
  if (!values.data) throw new CliError("--data is missing", "pass the folder of the database, such as --data ./data");
  const variables = { ...variablesOf(values), ...secretsFrom(process.env, values.secret ?? []) };
  const budgets = values.budgets ?? (existsSync(budgetsFile()) ? budgetsFile() : shippedBudgets());
  readBudgets(budgets);
  mkdirSync(values.data, { recursive: true });
  const hold = await holdData(values.data);
  const workerd = await startWorkerd({
    data: values.data,
    address: `${values.host ?? "127.0.0.1"}:${parsePort(values.port, DEFAULT_PORT)}`,
    budgets,
    variables,
    trustsProxy: Boolean(values["trust-proxy"]),
    onLine: (line) => console.log(line),
  });
  hold.record(workerd.pid);
  let isStopping = false;
  for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM"])) {
    process.once(signal, () => {
      isStopping = true;
      void workerd.stop();
    });
  }
  await workerd.cron();
  console.log(`✓ Serving on ${values.host ?? "127.0.0.1"}:${workerd.port}, with the data in ${values.data} and the budgets of ${budgets}.`);
  await workerd.ended;
  hold.release();
  if (isStopping) return 0;
  // The service manager or the container starts it again.
  throw new CliError("workerd ended by itself; its last lines are above", "start it again: acknowledged beacons are on disk");
}

/** @param {any} values @returns {Record<string, unknown>} */
function variablesOf({ site, page = [], config }) {
  if (config && site) throw new CliError("--site and --config exclude each other", "name the site in SITES of the file");
  if (config) {
    const variables = readJson(config, "pass a file of JSON such as {\"SITES\": {\"portal\": {\"origins\": [\"https://portal.example\"]}}}");
    if (!variables?.SITES) throw new CliError(`${config} has no SITES`, 'add {"SITES": {"portal": {"origins": ["https://portal.example"]}}}');
    return variables;
  }
  if (!site) throw new CliError("no site is named", "pass --site and --page, or --config with SITES");
  return { SITES: { [parseSite(site)]: { origins: page.map((/** @type {string} */ origin) => parseOrigin("--page", origin)), public: false } } };
}

/** @param {NodeJS.ProcessEnv} environment @param {string[]} further */
function secretsFrom(environment, further) {
  for (const name of further) if (environment[name] === undefined) throw new CliError(`the environment has no ${name}`, "set it, or leave out --secret");
  const named = [...SECRETS, ...further].map((name) => [name, environment[name]]);
  return Object.fromEntries(named.filter(([, value]) => value !== undefined));
}

const SECRETS = ["READ_TOKEN", "MANAGE_TOKEN", "CACHE_TOKEN", "ACCESS_TOKENS", "EVIDENCE_SECRET", "ALERT_CHANNELS", "PUSH_KEYS", "OTLP_HEADERS", "SENTRY_DSN", "GA4_SECRET"];
const DEFAULT_PORT = 8787;
