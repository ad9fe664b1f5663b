// Reads an environment of `edge-vitals/wrangler.toml`. `init` wrote the file, or somebody did in the same form.
import { existsSync, readFileSync } from "node:fs";

import { CliError } from "../cli_error.js";

export const CONFIG = "edge-vitals/wrangler.toml";

/** @typedef {{ name: string, site: string, origins: string[] }} Deployment */

/** @param {string} environment @param {string} [text] @returns {Deployment} */
export function readDeployment(environment, text = readConfig()) {
  const section = text.split(new RegExp(`^\\[env\\.${environment}\\]$`, "m"))[1]?.split(/^\[env\.\w+\]$/m)[0];
  const known = [...text.matchAll(/^\[env\.(\w+)\]$/gm)].map(([, name]) => name);
  if (!section) throw new CliError(`${CONFIG} has no environment ${environment}`, `it has ${known.join(", ")}`);
  const name = /^name = "(.*)"$/m.exec(section)?.[1];
  const sites = /^SITES = \{ *"?([A-Za-z0-9._-]+)"? = \{(.*)$/m.exec(section);
  if (!name || !sites) throw new CliError(`the environment ${environment} in ${CONFIG} has no name or no SITES`, "compare it with what `npx edge-vitals init --dry-run` would write");
  const list = /origins = \[([^\]]*)\]/.exec(sites[2])?.[1] ?? "";
  return { name, site: sites[1], origins: [...list.matchAll(/"([^"]+)"/g)].map(([, origin]) => origin) };
}

/** The site that a project has deployed or is about to; undefined before `init`. */
export const deployedSite = () => (existsSync(CONFIG) ? readDeployment("production").site : undefined);

function readConfig() {
  if (!existsSync(CONFIG)) throw new CliError(`${CONFIG} does not exist`, "run `npx edge-vitals init` first");
  return readFileSync(CONFIG, "utf8");
}
