"use client";
import { useReportWebVitals } from "next/web-vitals";

// As Next.js documents the hook.
const report = (metric) => navigator.sendBeacon(`/hook${location.pathname}`, JSON.stringify(metric));

export function Reporter() {
  useReportWebVitals(report);
  return null;
}
