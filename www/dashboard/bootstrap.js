// What is there first is painted first, with the few rules that the page brings along: nothing else is asked
// for before that. Then everything that the address needs comes at once, so that no file waits for another
// that names it. A page that nobody sees yet paints nothing, and waits for nothing.
import parts from "#parts";

/** The dashboard, once it is dressed; or as it is, where its clothes do not come. */
function load() {
  const sheet = Object.assign(document.createElement("link"), { rel: "stylesheet", href: "/dashboard/main.css" });
  for (const kind of ["load", "error"]) sheet.addEventListener(kind, () => import("/dashboard/main.js"));
  const view = new URLSearchParams(location.search).get("view") ?? "overview";
  const files = new Set(["/v1/start.js", ...parts.main, ...(Object.hasOwn(parts, view) ? parts[/** @type {keyof typeof parts} */ (view)] : parts.overview)]);
  document.head.append(sheet, ...[...files].map((href) => Object.assign(document.createElement("link"), { rel: "modulepreload", href })));
  setTimeout(warmUpIntl);
}

/** The one script that is named by a string: the page's policy lets no other be. */
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
