/**
 * The measurement for `instrumentation-client.js` of Next.js. It starts before hydration, once for both
 * routers. Views are declared when the address has changed and the page was painted; `<VitalsRoute>` names them
 * by the templates of their routes, which only the routers know.
 * @module
 */
import { start, view } from "#start";
import { isStarted, recordView, startMeasurement } from "./page.js";

/** @type {typeof import("../types/next-client.js").register} */
export function register(options) {
  if (!globalThis.document || isStarted()) return;
  startMeasurement(Promise.resolve({ start, view }), { ...options, endpoint: options.endpoint ?? "/v1/vitals" });
  globalThis.navigation?.addEventListener("currententrychange", declareSoon);
}

/**
 * Declares views of the App Router in browsers without the Navigation API.
 * @type {typeof import("../types/next-client.js").onRouterTransitionStart}
 */
export function onRouterTransitionStart(url) {
  if (globalThis.navigation) return;
  const { pathname } = new URL(url, location.href);
  let frames = MAX_TRANSITION_FRAMES;
  const wait = () => {
    if (location.pathname === pathname) declareSoon();
    else if (frames-- > 0) requestAnimationFrame(wait);
  };
  wait();
}

/** Two frames later, when `<VitalsRoute>` has told the route if it could. */
const declareSoon = () => requestAnimationFrame(() => requestAnimationFrame(() => recordView(undefined)));

/** Ten seconds at 60 frames per second. */
const MAX_TRANSITION_FRAMES = 600;
