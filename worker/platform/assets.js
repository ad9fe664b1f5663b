// The static files of a workerd of one's own, with the types, validators and fields of `_headers` that Cloudflare's
// assets would add. The budgets are read from the project's own file, so that a change counts without a restart.

const BUDGETS_PATH = "/v1/budgets.json";

export default {
  /**
   * @param {Request} request
   * @param {{ FILES: Fetcher, BUDGETS: Fetcher, BUDGETS_NAME: string }} env
   */
  async fetch(request, env) {
    if (request.method !== "GET" && request.method !== "HEAD") return new Response(null, { status: 405, headers: { allow: "GET, HEAD" } });
    const { pathname } = new URL(request.url);
    const file = pathname.endsWith("/") ? `${pathname}index.html` : pathname;
    if (file.endsWith("/_headers")) return new Response(null, { status: 404 });
    const found = await (file === BUDGETS_PATH ? env.BUDGETS.fetch(`http://files/${encodeURIComponent(env.BUDGETS_NAME)}`) : env.FILES.fetch(`http://files${file}`));
    const extension = /\.(\w+)$/.exec(file)?.[1] ?? "";
    // A directory is answered with a list of its files.
    if (!found.ok || !TYPES[extension]) return new Response(null, { status: 404 });
    const headers = new Headers({ "content-type": TYPES[extension], "cache-control": "public, max-age=0, must-revalidate" });
    const rules = await (await env.FILES.fetch("http://files/_headers")).text();
    for (const [name, value] of fieldsFor(rules, pathname)) headers.set(name, value);
    const body = await found.arrayBuffer();
    headers.set("etag", `"${await hash(body)}"`);
    if (request.headers.get("if-none-match")?.includes(headers.get("etag") ?? "")) return new Response(null, { status: 304, headers });
    return new Response(request.method === "HEAD" ? null : body, { headers });
  },
};

/** The fields of `_headers` for a path: unindented lines are patterns, indented ones their fields. @param {string} rules @param {string} path */
function fieldsFor(rules, path) {
  /** @type {[string, string][]} */
  const fields = [];
  let applies = false;
  for (const line of rules.split("\n")) {
    if (!line.trim() || line.startsWith("#")) continue;
    if (!line.startsWith(" ")) {
      const pattern = line.trim().split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&")).join(".*");
      applies = new RegExp(`^${pattern}$`).test(path);
    } else if (applies) {
      const [name, ...value] = line.trim().split(": ");
      fields.push([name, value.join(": ")]);
    }
  }
  return fields;
}

/** @param {ArrayBuffer} bytes */
async function hash(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest.slice(0, 8), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @type {Record<string, string>} */
const TYPES = {
  css: "text/css; charset=utf-8",
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  json: "application/json",
  svg: "image/svg+xml",
  wasm: "application/wasm",
};
