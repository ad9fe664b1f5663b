// The measurement in each framework: the file that `init` writes, and the lines that are left to the reader.
import { existsSync } from "node:fs";

/** @typedef {import("./framework.js").Project} Project */
/** @typedef {{ name: string, text: string }} MeasurementFile */

/** The address of the Worker of `edge-vitals dev`. */
const LOCAL_ENDPOINT = "http://localhost:8787/v1/vitals";

/**
 * The file that starts the measurement; none for a project without a build.
 * @param {Project} project @param {string} site
 * @returns {MeasurementFile | undefined}
 */
export function measurementFile({ framework: { id }, usesTypeScript }, site) {
  const extension = usesTypeScript ? "ts" : "js";
  const source = existsSync("src") ? "src/" : "";
  switch (id) {
    case "next":
      return { name: `${source}instrumentation-client.${extension}`, text: nextFile(site) };
    case "sveltekit":
      return { name: `src/hooks.client.${extension}`, text: startFile(site) };
    case "nuxt":
      return { name: `${existsSync("app") ? "app/" : ""}plugins/edge-vitals.client.${extension}`, text: nuxtFile(site) };
    case "react-router":
      return { name: `app/edge-vitals.${extension}`, text: startFile(site) };
    case "astro":
    case "vite":
      return { name: `${source}edge-vitals.${extension}`, text: startFile(site) };
    case "html":
      return undefined;
  }
}

/**
 * The lines that a reader adds, for the file of {@link measurementFile} if it exists and without it otherwise.
 * @param {Project} project @param {{ site: string, endpoint: string }} options
 * @returns {string[]}
 */
export function measurementSteps(project, { site, endpoint }) {
  const file = measurementFile(project, site);
  if (!file) {
    const worker = endpoint.replace(/\/v1\/vitals$/, "");
    return [
      "In the head of your pages:",
      '  <script type="module">',
      `    import { start } from "${worker}/v1/start.js";`,
      `    start({ endpoint: "${endpoint}", site: "${site}" });`,
      "  </script>",
    ];
  }
  if (!existsSync(file.name)) return ["Nothing measures your pages yet: run `npx edge-vitals init`, which writes", `  ${file.name}`];
  return STEPS[project.framework.id](file.name);
}

/** @type {Record<import("./framework.js").FrameworkId, (file: string) => string[]>} */
const STEPS = {
  next: (file) => [`${file} measures your pages. In the root layout, and in pages/_app if there is one, beside the content:`, '  import { VitalsRoute } from "edge-vitals/next/route";', "  <VitalsRoute overlay />"],
  nuxt: (file) => [`${file} measures your pages, and names each by its route.`],
  sveltekit: (file) => [`${file} measures your pages.`],
  astro: (file) => [`${file} measures your pages. In your layout:`, '  <script>import "../edge-vitals";</script>'],
  "react-router": (file) => [`${file} measures your pages. In app/root:`, '  import "./edge-vitals";'],
  vite: (file) => [`${file} measures your pages. In the first script of your page, such as src/main:`, '  import "./edge-vitals";'],
  html: () => [],
};

/** @param {string} site */
const nextFile = (site) => `// Measures every page load and navigation, from before hydration on.
import { register } from "edge-vitals/next/client";

export { onRouterTransitionStart } from "edge-vitals/next/client";

register({
  site: "${site}",
  // The Worker of \`npx edge-vitals dev\`; in production it serves /v1/* of the pages' own host, or has an address of its own.
  endpoint: process.env.NEXT_PUBLIC_VITALS_ENDPOINT ?? (process.env.NODE_ENV === "development" ? "${LOCAL_ENDPOINT}" : "/v1/vitals"),
});
`;

/** @param {string} site */
const startFile = (site) => `// Measures every page load and navigation.
import { start } from "edge-vitals/start";

start({
  site: "${site}",
  // The Worker of \`npx edge-vitals dev\`; in production it serves /v1/* of the pages' own host, or has an address of its own.
  endpoint: import.meta.env.VITE_VITALS_ENDPOINT ?? (import.meta.env.DEV ? "${LOCAL_ENDPOINT}" : "/v1/vitals"),
});
`;

/** @param {string} site */
const nuxtFile = (site) => `// Measures every page load and navigation, and names each by the route that Nuxt has matched.
import { start, view } from "edge-vitals";

export default defineNuxtPlugin(() => {
  const router = useRouter();
  const route = () => router.currentRoute.value.matched.at(-1)?.path.replaceAll("()", "");
  start({
    site: "${site}",
    // The Worker of \`npx edge-vitals dev\`; in production it serves /v1/* of the pages' own host, or has an address of its own.
    endpoint: import.meta.env.VITE_VITALS_ENDPOINT ?? (import.meta.env.DEV ? "${LOCAL_ENDPOINT}" : "/v1/vitals"),
    route: route(),
  });
  useNuxtApp().hook("page:finish", () => {
    const template = route();
    if (template) view(template);
  });
});
`;
