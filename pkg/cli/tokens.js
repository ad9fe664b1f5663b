// Scoped tokens: makes them, and keeps the file of their hashes that becomes the secret ACCESS_TOKENS.
import { createHash, randomBytes } from "node:crypto";
import { existsSync, writeFileSync } from "node:fs";

import { CliError } from "./cli_error.js";
import { readText } from "./files.js";

export const about = "Creates, lists and revokes tokens for a site and its rights; stores only their hashes.";

export const help = `
  edge-vitals tokens create --site portal --right read --name grafana --days 90
  edge-vitals tokens create --site "*" --right cache --name deploy --days 365
  edge-vitals tokens list
  edge-vitals tokens revoke --site portal --name grafana            all tokens of the name
  edge-vitals tokens revoke --site portal --name grafana --oldest   ends a rotation

  --site NAME      the site; "*" for all sites and for the cache
  --right RIGHT    read, manage, cache, lab or ingest-report; repeat it for several
  --name NAME      the holder, as the audit log names it
  --days N         the lifetime (90)
  --file FILE      the hashes (access-tokens.json)

  The token is printed once. Deploy the hashes with
  \`npx wrangler secret put ACCESS_TOKENS < access-tokens.json\`.
  To rotate: create a second token of the same name, hand it over, revoke the oldest.`;

export const takesArguments = true;

export const options = /** @type {const} */ ({
  site: { type: "string" },
  right: { type: "string", multiple: true },
  name: { type: "string" },
  days: { type: "string" },
  oldest: { type: "boolean" },
  file: { type: "string" },
});

/**
 * @typedef {{ name: string, rights: string[], sha256: string, expires: string }} Entry
 * @typedef {Record<string, Entry[]>} Table
 */

/** @param {{ values: any, positionals: string[] }} given */
export function run({ values, positionals: [action = "list"] }) {
  const file = values.file ?? "access-tokens.json";
  const table = readTable(file);
  switch (action) {
    case "create": {
      const token = `evt_${randomBytes(32).toString("base64url")}`;
      const entry = newEntry(token, values, Date.now());
      writeTable(file, withEntry(table, required(values.site, "--site"), entry));
      console.error(`✓ ${entry.name} may ${entry.rights.join(", ")} ${values.site} until ${entry.expires}. Its hash is in ${file}; this is the token:`);
      console.log(token);
      return deploymentHint(file);
    }
    case "revoke":
      writeTable(file, withoutEntry(table, required(values.site, "--site"), required(values.name, "--name"), values.oldest ?? false));
      console.error(`✓ ${values.name} is revoked once the file is deployed.`);
      return deploymentHint(file);
    case "list":
      for (const line of describe(table, Date.now())) console.log(line);
      return 0;
    default:
      throw new CliError(`unknown action "${action}"`, "use create, list or revoke");
  }
}

/** @param {string} token @param {any} values @param {number} now @returns {Entry} */
export function newEntry(token, values, now) {
  const rights = [...new Set(/** @type {string[]} */ (values.right ?? []))];
  const unknown = rights.find((right) => !RIGHTS.includes(right));
  if (unknown !== undefined || !rights.length) throw new CliError(unknown === undefined ? "no right given" : `unknown right "${unknown}"`, `--right takes ${RIGHTS.join(", ")}`);
  if (rights.includes("cache") && values.site !== "*") throw new CliError("the right cache is of the whole deployment", 'create the token with --site "*"');
  const name = required(values.name, "--name");
  if (!/^[\w.-]{1,64}$/.test(name)) throw new CliError(`"${name}" is no name`, "use 1 to 64 letters, digits, dots, dashes and underscores");
  const days = Number(values.days ?? 90);
  if (!Number.isInteger(days) || days < 1 || days > 400) throw new CliError(`--days ${values.days} is not a lifetime`, "use a whole number from 1 to 400");
  const expires = new Date(now + days * DAY_MS).toISOString().slice(0, 10);
  return { name, rights, sha256: createHash("sha256").update(token).digest("hex"), expires };
}

/** Adds a token; two of one name are a rotation. @param {Table} table @param {string} site @param {Entry} entry @returns {Table} */
export function withEntry(table, site, entry) {
  const entries = table[site] ?? [];
  if (entries.filter(({ name }) => name === entry.name).length >= 2) {
    throw new CliError(`${site} has two tokens of the name ${entry.name} already`, "revoke the one that is replaced, with --oldest");
  }
  return { ...table, [site]: [...entries, entry] };
}

/** @param {Table} table @param {string} site @param {string} name @param {boolean} isOldestOnly @returns {Table} */
export function withoutEntry(table, site, name, isOldestOnly) {
  const entries = table[site] ?? [];
  const found = entries.filter((entry) => entry.name === name).sort((a, b) => a.expires.localeCompare(b.expires));
  if (!found.length) throw new CliError(`${site} has no token of the name ${name}`, "see `edge-vitals tokens list`");
  const revoked = isOldestOnly ? found.slice(0, 1) : found;
  const rest = entries.filter((entry) => !revoked.includes(entry));
  const others = Object.entries(table).filter(([other]) => other !== site);
  return Object.fromEntries(rest.length ? [...others, [site, rest]] : others);
}

/** @param {Table} table @param {number} now */
export function describe(table, now) {
  const today = new Date(now).toISOString().slice(0, 10);
  return Object.entries(table).flatMap(([site, entries]) =>
    entries.map(({ name, rights, expires }) => `${site}  ${name}  ${rights.join(",")}  ${expires <= today ? `expired on ${expires}` : `until ${expires}`}`),
  );
}

/** @param {string} file @returns {Table} */
export function readTable(file) {
  if (!existsSync(file)) return {};
  try {
    const table = JSON.parse(readText(file, ""));
    if (typeof table === "object" && table && Object.values(table).every(Array.isArray)) return table;
  } catch {
    // Reported below.
  }
  throw new CliError(`${file} is not a table of tokens by site`, "restore it, or name another file with --file");
}

/** @param {string} file @param {Table} table */
const writeTable = (file, table) => writeFileSync(file, `${JSON.stringify(table, null, 2)}\n`);

/** @param {string} file */
function deploymentHint(file) {
  console.error(`  Deploy it: npx wrangler secret put ACCESS_TOKENS < ${file}`);
  return 0;
}

/** @param {string | undefined} value @param {string} option @returns {string} */
function required(value, option) {
  if (!value) throw new CliError(`${option} is missing`, "see `edge-vitals tokens --help`");
  return value;
}

const RIGHTS = ["read", "manage", "cache", "lab", "ingest-report"];
const DAY_MS = 86_400_000;
