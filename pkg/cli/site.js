// The sites of a deployment: lists and creates them, backs one up, restores it elsewhere, and erases it.
import { appendFileSync, createReadStream, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";

import { operate, parseWorkerUrl } from "./api.js";
import { CliError } from "./cli_error.js";
import { readText } from "./files.js";

export const about = "Lists, creates, backs up, restores and erases the sites of a deployment.";

export const help = `
  edge-vitals site list --url https://vitals.example.com
  edge-vitals site put --url … --site shop --settings shop.json      creates a site, or replaces its settings
  edge-vitals site backup --url … --site shop --file shop.ndjson     reads everything that is stored of it
  edge-vitals site restore --url … --site shop --file shop.ndjson    into an empty site, of this or another deployment
  edge-vitals site erase --url … --site shop --confirm shop          cannot be undone

  --url URL         the Worker's address
  --site NAME       the site
  --settings FILE   its settings in JSON, as SITES in wrangler.toml has them
  --file FILE       the backup (NAME.ndjson)
  --confirm NAME    the name again

  These calls require MANAGE_TOKEN. \`put\` requires SITES_BY_CALL = "true" in [vars] of wrangler.toml.`;

export const takesArguments = true;

export const options = /** @type {const} */ ({
  url: { type: "string" },
  site: { type: "string" },
  settings: { type: "string" },
  file: { type: "string" },
  confirm: { type: "string" },
});

/** @param {{ values: any, positionals: string[] }} given */
export async function run({ values, positionals: [action = "list"] }) {
  const base = parseWorkerUrl(values.url);
  if (action === "list") {
    const { sites } = JSON.parse(await operate(base, "GET", "/api/sites"));
    for (const { site, source, changed_by: by } of sites) console.log(`${site}  ${source === "call" ? `by call of ${by}` : "wrangler.toml"}`);
    return 0;
  }
  const { site } = values;
  if (!site) throw new CliError("--site is missing", "see `edge-vitals site --help`");
  const path = `/api/sites/${encodeURIComponent(site)}`;
  const file = values.file ?? `${site}.ndjson`;
  switch (action) {
    case "put": {
      if (!values.settings) throw new CliError("--settings is missing", "pass a file with the site's settings in JSON");
      const answer = JSON.parse(await operate(base, "PUT", path, {}, readText(values.settings, "pass a file with the site's settings in JSON")));
      console.log(`✓ ${site} is ${answer.created ? "created" : "changed"}; every location uses the settings within ${answer.effective_within_seconds} s.`);
      return 0;
    }
    case "erase": {
      if (values.confirm !== site) throw new CliError(`erasing ${site} cannot be undone`, `repeat its name: --confirm ${site}`);
      const { objects, copies, settings_removed: isRemoved } = JSON.parse(await operate(base, "DELETE", path));
      console.log(`✓ ${objects} Durable Object${objects === 1 ? "" : "s"} of ${site} emptied.${isRemoved ? " Its settings and tokens are removed." : " Its settings are in wrangler.toml."}`);
      console.log(`  Not reached: ${copies.join("; ")}.`);
      return 0;
    }
    case "backup":
      return backUp(base, path, file);
    case "restore":
      return restore(base, path, file);
    default:
      throw new CliError(`unknown action "${action}"`, "use list, put, backup, restore or erase");
  }
}

/** @param {URL} base @param {string} path @param {string} file */
async function backUp(base, path, file) {
  console.error(`Backing up to ${file}:`);
  writeFileSync(file, "");
  let total = 0;
  for (let shard = 0, shards = 1; shard < shards; shard += 1) {
    let after;
    do {
      const page = await operate(base, "GET", `${path}/backup`, { shard: String(shard), after });
      const lines = page.trimEnd().split("\n");
      shards = JSON.parse(lines[0] ?? "").header?.shards ?? shards;
      const end = JSON.parse(lines.at(-1) ?? "");
      after = end.next && JSON.stringify(end.next);
      appendFileSync(file, page);
      if (!after) total += end.rows;
    } while (after);
    console.error(`  shard ${shard + 1} of ${shards}: ${total} rows so far`);
  }
  console.log(`✓ ${total} rows in ${file}`);
  return 0;
}

/** @param {URL} base @param {string} path @param {string} file */
async function restore(base, path, file) {
  console.error(`Restoring from ${file}:`);
  let total = 0;
  let open = 0;
  /** @type {string[]} */
  let page = [];
  let shard = 0;
  for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Infinity })) {
    page.push(line);
    const start = page.length === 1 ? JSON.parse(line) : undefined;
    if (start?.header) [shard, open] = [start.header.shard, start.header.shard + 1];
    // Rows are long; the first characters of a line tell its kind.
    if (!/^\{"(?:next|rows)"/.test(line)) continue;
    const { rows, complete } = JSON.parse(await operate(base, "POST", `${path}/restore`, { shard: String(shard) }, `${page.join("\n")}\n`));
    total += rows;
    page = [];
    if (complete) {
      open = 0;
      console.error(`  shard ${shard + 1}: ${total} rows so far`);
    }
  }
  if (open || page.length) throw new CliError(`${file} ends in the middle of shard ${open}`, "erase the site, and restore a whole backup");
  console.log(`✓ ${total} rows restored`);
  return 0;
}
