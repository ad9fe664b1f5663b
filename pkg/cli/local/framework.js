// The framework of a project, and the port on which its development server listens.
import { existsSync, readFileSync } from "node:fs";

import { CliError, errorMessage } from "../cli_error.js";

/**
 * @typedef {"next" | "nuxt" | "sveltekit" | "astro" | "react-router" | "vite" | "html"} FrameworkId
 * @typedef {object} Framework
 * @property {FrameworkId} id
 * @property {string} name
 * @property {number} port of its development server
 */

/** In this order: SvelteKit, Nuxt, Astro and React Router bring Vite. @type {(Framework & { packages: string[] })[]} */
const FRAMEWORKS = [
  { id: "next", name: "Next.js", port: 3000, packages: ["next"] },
  { id: "nuxt", name: "Nuxt", port: 3000, packages: ["nuxt"] },
  { id: "sveltekit", name: "SvelteKit", port: 5173, packages: ["@sveltejs/kit"] },
  { id: "astro", name: "Astro", port: 4321, packages: ["astro"] },
  { id: "react-router", name: "React Router", port: 5173, packages: ["@react-router/dev"] },
  { id: "vite", name: "Vite", port: 5173, packages: ["vite"] },
];

/** @type {Framework} */
const PLAIN = { id: "html", name: "HTML without a framework", port: 8000 };

/** @typedef {{ framework: Framework, site: string, packages: Set<string>, usesTypeScript: boolean }} Project */

/** The project in the current directory; a directory without package.json is plain HTML. @returns {Project} */
export function readProject() {
  if (!existsSync("package.json")) return { framework: PLAIN, site: "site", packages: new Set(), usesTypeScript: false };
  let manifest;
  try {
    manifest = JSON.parse(readFileSync("package.json", "utf8"));
  } catch (error) {
    throw new CliError(`package.json is not valid JSON: ${errorMessage(error)}`, "correct it, and run the command again");
  }
  const packages = new Set(Object.keys({ ...manifest.dependencies, ...manifest.devDependencies }));
  const found = FRAMEWORKS.find((known) => known.packages.some((name) => packages.has(name))) ?? PLAIN;
  return {
    framework: { ...found, port: scriptPort(String(manifest.scripts?.dev ?? "")) ?? found.port },
    site: siteName(String(manifest.name ?? "site")),
    packages,
    usesTypeScript: existsSync("tsconfig.json"),
  };
}

/** The port that the script `dev` sets. @param {string} script */
export function scriptPort(script) {
  const port = /(?:^|\s)(?:--port|-p)[=\s](\d{2,5})(?:\s|$)|(?:^|\s)PORT=(\d{2,5})\s/.exec(script);
  return port ? Number(port[1] ?? port[2]) : undefined;
}

/** The name of a package as the name of a site. @param {string} name */
export const siteName = (name) => name.replace(/^@[^/]*\//, "").replace(/[^A-Za-z0-9._-]/g, "-").slice(0, 64) || "site";
