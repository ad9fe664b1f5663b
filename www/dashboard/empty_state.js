// Setup steps for a site without data, and the reason if its beacons are refused.
import { fetchJson } from "./api.js";
import { make } from "./dom.js";
import { plural } from "./format.js";

/** @typedef {import("./documents.js").Summary} Summary */

/** The content of every view of a site without data. @param {string} site @returns {Promise<Node[]>} */
export async function emptyState(site) {
  const notice = await refusalNotice(site);
  return notice ? [notice, setupSteps(site)] : [setupSteps(site)];
}

/** @param {string} site */
function setupSteps(site) {
  const install = "npm install edge-vitals";
  const component = `import { Vitals } from "edge-vitals/next";

<Vitals site="${site}" endpoint="${location.origin}/v1/vitals" />`;
  const script = `import { start } from "edge-vitals/start";

start({ site: "${site}", endpoint: "${location.origin}/v1/vitals" });`;
  const snippet = `<script type="module">
  import { start } from "${location.origin}/v1/client.js";
  start({ endpoint: "${location.origin}/v1/vitals", site: "${site}" });
</script>`;
  return make("section", { class: "first" },
    make("h1", null, `No data for ${site} yet`),
    make("ol", { class: "steps" },
      make("li", null,
        make("h2", null, "Measure your pages"),
        make("p", null, "In an application, install the package:"), sample(install, "Install command"),
        make("p", null, "In the root layout of Next.js:"), sample(component, "Component"),
        make("p", null, "In the first script of any other application:"), sample(script, "Script"),
        make("p", null, "Or in pages without a build:"), sample(snippet, "Snippet", "data-snippet"),
      ),
      make("li", null, make("h2", null, "Allow the origin of your pages"), make("p", null, "List origins other than this one under ", make("code", null, "SITES"), " in wrangler.toml. On your machine, ", make("code", null, "npx edge-vitals dev"), " allows that of your framework.")),
      make("li", null, make("h2", null, "Open a page and leave it"), make("p", null, "A beacon is sent when the visitor leaves or hides the page. The data appears here automatically; a verdict needs about 30 views.")),
    ),
  );
}

/** Says that beacons are refused for the origin of their pages, and what to change. @param {string} site */
async function refusalNotice(site) {
  // Only the rejections are wanted, which are the site's; no route has this name.
  const { refused } = /** @type {Summary} */ (await fetchJson("/api/vitals/summary", new URLSearchParams({ site, route: "(none)" })));
  const number = refused["foreign-origin"] ?? 0;
  if (!number) return undefined;
  return make("p", { class: "warning", role: "alert" },
    make("b", null, `${plural(number, "beacon")} refused: `),
    "the origin of the pages is not in ", make("code", null, "origins"), ` of ${site} in SITES. The response of each beacon names it. Add it to wrangler.toml and deploy, or restart with `, make("code", null, "npx edge-vitals dev --page <origin>"), ".",
  );
}

/** A text to copy. @param {string} text @param {string} name @param {string} [mark] */
function sample(text, name, mark) {
  const code = make("pre", { tabindex: "0", "aria-label": name }, make("code", mark ? { [mark]: "" } : null, text));
  const copied = make("span", { role: "status", class: "quiet" });
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      copied.textContent = "Copied";
    } catch {
      getSelection()?.selectAllChildren(code);
      copied.textContent = "Selected. Copy it with the keyboard.";
    }
  };
  return make("div", null, code, make("p", { class: "row" }, make("button", { type: "button", "aria-label": `Copy: ${name}`, onclick: copy }, "Copy"), copied));
}
