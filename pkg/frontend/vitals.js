/**
 * The component behind both variants of `<Vitals>`. It reads Next.js's routers and loads the client, and
 * renders nothing.
 * @module
 */
import { createElement, Suspense, useEffect } from "react";
import { useRouter } from "next/compat/router.js";
import { useParams, usePathname, useSelectedLayoutSegments } from "next/navigation.js";
import { recordView } from "./page.js";
import { routeOfParams, routeOfPattern } from "./route.js";

/** @param {() => Promise<import("./page.js").Client>} load */
export function vitals(load) {
  /** @param {import("../types/next.js").VitalsProps} props */
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
      if (path !== null) recordView(load, { endpoint: "/v1/vitals", ...props, route }, path);
    });
    useEffect(() => {
      // Bundlers drop this branch, and the import in it, from production builds.
      if (process.env.NODE_ENV !== "production") showDevelopmentTools(() => import("./development.js"), props.endpoint, overlay);
    }, []);
    return null;
  }

  /** @param {import("../types/next.js").VitalsProps} props */
  return function Vitals(props) {
    // A prerendered page has no path; suspend here rather than in a parent.
    return createElement(Suspense, { fallback: null }, createElement(View, props));
  };
}

/**
 * Shows the development tools, once per page load however often React mounts.
 * @param {() => Promise<typeof import("../types/development.js")>} load
 * @param {string | undefined} endpoint
 * @param {boolean | undefined} overlay
 */
async function showDevelopmentTools(load, endpoint = "/v1/vitals", overlay = false) {
  if (isShown) return;
  isShown = true;
  const tools = await load();
  const limits = new URL("/api/budgets/limits", new URL(endpoint, location.href));
  tools.table({ limits });
  if (overlay) tools.overlay({ limits });
}

let isShown = false;

/** The route of the not-found page, as in the Pages Router. */
const NOT_FOUND_ROUTE = "/404";
