/**
 * The component behind both `<Vitals>`: it knows Next.js's routers, and no more of the client than
 * how to load it. It renders nothing.
 * @module
 */
import { createElement, Suspense, useEffect } from "react";
import { useRouter } from "next/compat/router.js";
import { useParams, usePathname, useSelectedLayoutSegments } from "next/navigation.js";
import { visited } from "./page.js";
import { routeOfParams, routeOfPattern } from "./route.js";

/** @param {() => Promise<import("./page.js").Client>} load */
export function vitals(load) {
  /** @param {import("../types/next.js").VitalsProps} props */
  function View({ overlay, ...props }) {
    const pages = useRouter();
    const path = usePathname();
    const params = useParams();
    // Only the root layout sees the page of addresses that have none. Turbopack's begins with a slash,
    // webpack's does not.
    const isNowhere = /^\/?_not-found$/.test(useSelectedLayoutSegments()?.[0] ?? "");
    const known = pages ? routeOfPattern(pages.pathname) : routeOfParams(path ?? "/", params ?? {});
    const route = props.route ?? (isNowhere ? NOWHERE : known);

    useEffect(() => {
      // The Pages Router has no path before it knows the query of a page that was rendered ahead.
      if (path !== null) visited(load, { endpoint: "/v1/vitals", ...props, route }, path);
    });
    useEffect(() => {
      // A bundler for production leaves this branch out, and the import that stands in it.
      if (process.env.NODE_ENV !== "production") developed(() => import("./development.js"), props.endpoint, overlay);
    }, []);
    return null;
  }

  /** @param {import("../types/next.js").VitalsProps} props */
  return function Vitals(props) {
    // What is rendered ahead of a request has no path, and waits for it here rather than further up.
    return createElement(Suspense, { fallback: null }, createElement(View, props));
  };
}

/**
 * The developer's view, once a page load however often React mounts.
 * @param {() => Promise<typeof import("../types/development.js")>} load
 * @param {string | undefined} endpoint
 * @param {boolean | undefined} overlay
 */
async function developed(load, endpoint = "/v1/vitals", overlay = false) {
  if (isDeveloped) return;
  isDeveloped = true;
  const view = await load();
  const limits = new URL("/api/budgets/limits", new URL(endpoint, location.href));
  view.table({ limits });
  if (overlay) view.overlay({ limits });
}

let isDeveloped = false;

/** What the Pages Router calls it. */
const NOWHERE = "/404";
