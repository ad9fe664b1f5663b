import { register } from "edge-vitals/next/client";

export { onRouterTransitionStart } from "edge-vitals/next/client";

register({ site: "portal", release: "r1" });
