import type { StartOptions } from "./index.js";

/** Props of `<Vitals>`: the options of `start`, most with defaults. */
export interface VitalsProps extends Omit<StartOptions, "endpoint" | "route"> {
  /** The URL of the beacon endpoint. Default: `/v1/vitals` on the page's own origin. */
  endpoint?: string;
  /**
   * The route template of the path. Default: the router's own, so that `/product/[id]` is `/product/:id` in
   * the App Router and in the Pages Router.
   */
  route?: string;
  /**
   * In development, shows the page's metrics beside their budgets in a corner of the page. The console has
   * one table per page in any case. Production builds contain neither.
   */
  overlay?: boolean;
}

/**
 * Measures every page load and every navigation of Next.js's App Router or Pages Router, and sends a
 * beacon for each. It renders nothing, and the client is fetched after hydration. Render one in the root
 * layout or in `_app`; more do no harm.
 *
 * A Server Component cannot pass functions: for `consent` and `beforeSend`, render it in a Client Component
 * of your own.
 */
export function Vitals(props: VitalsProps): null;
