// A Worker of somebody else's that renders pages, and so imports what they import.
import { onLCP, start, view } from "edge-vitals";
import { verify } from "edge-vitals/backend";
import { purgeTag } from "edge-vitals/cache";

const stop = start({ endpoint: "/v1/vitals", site: "portal" });
view("/");
onLCP(() => {})();
stop();

export default { fetch: () => new Response([typeof purgeTag, typeof verify].join()) };
