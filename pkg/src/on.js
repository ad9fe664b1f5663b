/**
 * A callback a metric, in web-vitals' vocabulary: every report is a fresh object around the
 * browser's own, live entries.
 * @module
 */
import { handle } from "./machine.js";
import { measure } from "./measure.js";
import { ASKED, RATING, VALUE } from "./moments.js";
import { CLS, FCP, NAMES } from "./page.js";

/**
 * @param {number} metric
 * @param {(options: object) => object} [layer] what else is to be known of each report
 */
export const on = (metric, layer) => (callback, options) => {
  const more = layer?.(options ?? {});
  return measure(
    undefined,
    { ...options, ...more },
    undefined,
    undefined,
    metric === CLS ? [FCP, metric] : [metric],
    (reported, delta, vital, slot) => {
      if (reported !== metric) return;
      const { entries, navigation } = vital;
      const report = {
        name: NAMES[metric],
        value: handle(VALUE, slot),
        rating: ["good", "needs-improvement", "poor"][handle(RATING, slot)],
        delta,
        entries,
        id: (vital.id ??= `v1-${Date.now()}-${Math.random()}`),
        navigationType: vital.type,
        navigationId: (metric === FCP && entries[0]?.navigationId) || navigation?.navigationId || 0,
        navigationInteractionId: navigation?.interactionId,
        navigationURL: navigation?.name,
        navigationStartTime: vital.start,
      };
      const budget = options?.limits?.[report.name]?.max;
      if (budget >= 0) {
        report.budget = budget;
        // In the units in which the Worker judges: what a page is told is what the summary says.
        report.withinBudget = handle(ASKED, slot) <= Math.round(budget * (metric === CLS ? 1e4 : 1));
      }
      if (more) report.attribution = more.attribute(metric, report.value, vital);
      callback(report);
    },
  ).stop;
};
