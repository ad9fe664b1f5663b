import type { StartOptions } from "./index.js";

/** What `<Vitals>` needs to know: what `start` does, most of it known already. */
export interface VitalsProps extends Omit<StartOptions, "endpoint" | "route"> {
  /** Where beacons go: `/v1/vitals` of the page's own origin unless told. */
  endpoint?: string;
  /**
   * The template of the path, where the router's own is not what is wanted. Unless told, the App
   * Router's `/product/[id]` and the Pages Router's are both `/product/:id`.
   */
  route?: string;
  /**
   * In development, shows the page's vitals beside their budgets in a corner of it. One table a page is
   * in the console all the same. Nothing of either is in a production build.
   */
  overlay?: boolean;
}

/**
 * Measures every page load and every navigation of Next.js's router, in the App Router and in the
 * Pages Router, and sends a beacon for each. It renders nothing, and is not part of what hydrates: the
 * client is fetched after that. One in the root layout, or in `_app`, is enough; more do no harm.
 *
 * A Server Component cannot hand over functions: for `consent` and `beforeSend` render it in a Client
 * Component of your own.
 */
export function Vitals(props: VitalsProps): null;
