/**
 * The component behind `<Vitals>` and `<VitalsRoute>`. It reads Next.js's routers, loads the client where it is
 * given one and none has started, and renders nothing.
 * @module
 */
import { createElement, Suspense, useEffect } from "react";
import { useRouter } from "next/compat/router.js";
import { useParams, usePathname, useSelectedLayoutSegments } from "next/navigation.js";
import { beaconEndpoint, isStarted, recordView, startMeasurement } from "./page.js";
import { routeOfParams, routeOfPattern } from "./route.js";

/** @param {() => Promise<import("./page.js").Client>} [load] */
export function vitals(load) {
  /** @param {Partial<import("../types/next.js").VitalsProps>} props */
  function View({ overlay, ...props }) {
    const pages = useRouter();
    const path = usePathname();
    const params = useParams();
    // The not-found page is visible only to the root layout. Turbopack's name begins with a slash, webpack's
    // does not.
    const isNotFound = /^\/?_not-found$/.test(useSelectedLayoutSegments()?.[0] ?? "");
    const derived = pages ? routeOfPattern(pages.pathname) : routeOfParams(path ?? "/", params ?? {});
    const route = props.route ?? (isNotFound ? NOT_FOUND_ROUTE : derived);

    useEffect(() => {
      // In the Pages Router, the path of a prerendered page is null until the query is known.
      if (path === null) return;
      if (load && !isStarted()) startMeasurement(load(), { endpoint: "/v1/vitals", .../** @type {import("../types/next.js").VitalsProps} */ (props), route });
      else recordView(route);
    });
    useEffect(() => {
      // Bundlers drop this branch, and the import in it, from production builds.
      if (process.env.NODE_ENV !== "production") showDevelopmentTools(() => import("./development.js"), overlay);
    }, []);
    return null;
  }

  /** @param {Partial<import("../types/next.js").VitalsProps>} props */
  return function Vitals(props) {
    // A prerendered page has no path; suspend here rather than in a parent.
    return createElement(Suspense, { fallback: null }, createElement(View, props));
  };
}

/**
 * Shows the development tools, once per page load however often React mounts.
 * @param {() => Promise<typeof import("../types/development.js")>} load
 * @param {boolean | undefined} overlay
 */
async function showDevelopmentTools(load, overlay = false) {
  if (isShown) return;
  isShown = true;
  const tools = await load();
  const limits = new URL("/api/budgets/limits", new URL(beaconEndpoint() ?? "/v1/vitals", location.href));
  tools.table({ limits });
  if (overlay) tools.overlay({ limits, endpoint: beaconEndpoint() });
}

let isShown = false;

/** The route of the not-found page, as in the Pages Router. */
const NOT_FOUND_ROUTE = "/404";
