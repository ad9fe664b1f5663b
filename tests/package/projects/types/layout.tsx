import type { ReactNode } from "react";
import { Vitals } from "edge-vitals/next";
import { Vitals as VitalsWithReasons } from "edge-vitals/next/attribution";
import { useVitals } from "edge-vitals/react";

export default function RootLayout({ children }: { children: ReactNode }) {
  return (
    <html lang="en">
      <body>
        {children}
        <Vitals site="portal" release="2026-11-21" sample={10} />
        <VitalsWithReasons site="portal" generateTarget={() => "element"} />
        {/* @ts-expect-error a site is needed */}
        <Vitals />
      </body>
    </html>
  );
}

export function Report(): null {
  useVitals((metric) => {
    if (metric.name === "LCP") console.log(metric.attribution.url?.length, metric.attribution.resourceLoadDelay);
    if (metric.name === "INP") console.log(metric.attribution.interactionType);
  }, { reportAllChanges: true });
  return null;
}
