// Loads the dashboard after the first paint, which needs the inline styles alone. All files of the requested view
// are preloaded at once, so that none waits for its importer. A hidden page never paints, so it loads immediately.
import parts from "#parts";

/** Starts the dashboard once its style sheet has loaded or failed. */
function load() {
  const sheet = Object.assign(document.createElement("link"), { rel: "stylesheet", href: "/dashboard/main.css" });
  for (const kind of ["load", "error"]) sheet.addEventListener(kind, () => import("/dashboard/main.js"));
  const view = new URLSearchParams(location.search).get("view") ?? "overview";
  const files = new Set(["/v1/start.js", ...parts.main, ...(Object.hasOwn(parts, view) ? parts[/** @type {keyof typeof parts} */ (view)] : parts.overview)]);
  document.head.append(sheet, ...[...files].map((href) => Object.assign(document.createElement("link"), { rel: "modulepreload", href })));
  setTimeout(warmUpIntl);
}

/** Starts the only worker that the trusted-types policy permits. */
function warmUpIntl() {
  const script = "/dashboard/intl_warmup.js";
  const { trustedTypes } = /** @type {any} */ (globalThis);
  new Worker(trustedTypes?.createPolicy("intl-warmup", { createScriptURL: () => script }).createScriptURL("") ?? script);
}

if (document.hidden || !PerformanceObserver.supportedEntryTypes.includes("paint")) load();
else {
  const painted = new PerformanceObserver(() => {
    painted.disconnect();
    load();
  });
  painted.observe({ type: "paint", buffered: true });
}
