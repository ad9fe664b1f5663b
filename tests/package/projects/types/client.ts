// An application in the strictest settings. This file only has to compile.
import { onLCP, start, view } from "edge-vitals";
import { onINP } from "edge-vitals/attribution";
import { overlay, table } from "edge-vitals/development";
import { start as least } from "edge-vitals/start";

const stop: () => void = start({
  endpoint: "/v1/vitals",
  site: "portal",
  release: "2026-11-21",
  sample: 10,
  dimensions: { plan: "pro" },
  consent: () => true,
  beforeSend: (beacon) => (beacon.bot ? null : beacon),
});
least({ endpoint: "/v1/vitals", site: "portal" });
view("/product/:id");
onLCP(({ value, rating, entries }) => console.log(value.toFixed(0), rating, entries.at(-1)?.startTime));
onINP(({ attribution }) => console.log(attribution.interactionTarget?.toUpperCase(), attribution.inputDelay));
overlay({ limits: { LCP: { max: 2000 } } })();
table({ limits: new URL("https://vitals.example.com/api/budgets/limits") })();
stop();

// @ts-expect-error a site is needed
start({ endpoint: "/v1/vitals" });
