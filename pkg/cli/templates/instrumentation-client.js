// The measurement of every page load and navigation, from before hydration on.
import { register } from "edge-vitals/next/client";

export { onRouterTransitionStart } from "edge-vitals/next/client";

register({ site: "SITE", endpoint: process.env.NEXT_PUBLIC_VITALS_ENDPOINT });
