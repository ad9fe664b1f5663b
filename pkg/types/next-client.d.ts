import type { StartOptions } from "./index.js";

/** Options of `register`: those of `start`, with a default for `endpoint`. */
export interface RegisterOptions extends Omit<StartOptions, "endpoint"> {
  /** The URL of the beacon endpoint. Default: `/v1/vitals` on the page's own origin. */
  endpoint?: string;
}

/**
 * Measures every page load and every navigation of Next.js's App Router or Pages Router from before hydration
 * on. Call it in `instrumentation-client.js`. Routes come from `<VitalsRoute>` of `edge-vitals/next/route`; the
 * Worker folds the path of a view without one.
 */
export function register(options: RegisterOptions): void;

/** Export this from `instrumentation-client.js` too: it declares views in browsers without the Navigation API. */
export function onRouterTransitionStart(url: string): void;
