// The first visit to a site that nothing was heard of: how to get data.
import { make } from "./dom.js";

/** @param {string} site */
export function firstSteps(site) {
  const snippet = `<script type="module">
  import { start } from "${location.origin}/v1/client.js";
  start({ endpoint: "${location.origin}/v1/vitals", site: "${site}" });
</script>`;
  const code = make("pre", { tabindex: "0", "aria-label": "The snippet" }, make("code", { "data-snippet": "" }, snippet));
  const copied = make("span", { role: "status", class: "quiet" });
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(snippet);
      copied.textContent = "Copied";
    } catch {
      getSelection()?.selectAllChildren(code);
      copied.textContent = "Selected: copy it with the keyboard";
    }
  };
  return make("section", { class: "first" },
    make("h1", null, `Nothing was heard of ${site} yet`),
    make("ol", { class: "steps" },
      make("li", null, make("h2", null, "Put this into your pages"), code, make("p", { class: "row" }, make("button", { type: "button", class: "primary", onclick: copy }, "Copy"), copied)),
      make("li", null, make("h2", null, "Allow their origin"), make("p", null, "Pages of other origins than this one are named in ", make("code", null, "SITES"), " of wrangler.toml.")),
      make("li", null, make("h2", null, "Visit a page and leave it"), make("p", null, "A view is sent when its visitor leaves or hides the page. This page shows it by itself when it comes; a verdict needs about thirty views.")),
    ),
  );
}
