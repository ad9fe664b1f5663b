// Setup steps for a site without data.
import { make } from "./dom.js";

/** @param {string} site */
export function setupSteps(site) {
  const snippet = `<script type="module">
  import { start } from "${location.origin}/v1/client.js";
  start({ endpoint: "${location.origin}/v1/vitals", site: "${site}" });
</script>`;
  const code = make("pre", { tabindex: "0", "aria-label": "Snippet" }, make("code", { "data-snippet": "" }, snippet));
  const copied = make("span", { role: "status", class: "quiet" });
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(snippet);
      copied.textContent = "Copied";
    } catch {
      getSelection()?.selectAllChildren(code);
      copied.textContent = "Selected. Copy it with the keyboard.";
    }
  };
  return make("section", { class: "first" },
    make("h1", null, `No data for ${site} yet`),
    make("ol", { class: "steps" },
      make("li", null, make("h2", null, "Add this to your pages"), code, make("p", { class: "row" }, make("button", { type: "button", class: "primary", onclick: copy }, "Copy"), copied)),
      make("li", null, make("h2", null, "Allow the origin of your pages"), make("p", null, "List origins other than this one under ", make("code", null, "SITES"), " in wrangler.toml.")),
      make("li", null, make("h2", null, "Open a page and leave it"), make("p", null, "A beacon is sent when the visitor leaves or hides the page. The data appears here automatically; a verdict needs about 30 views.")),
    ),
  );
}
