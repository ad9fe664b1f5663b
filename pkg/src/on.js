/**
 * Callbacks per metric, with web-vitals' interface. Each report is a new object around the browser's own,
 * live entries.
 * @module
 */
import { measure } from "./callback_observer.js";
import { CLS, CLS_WIRE_SCALE, FCP, METRIC_NAMES, RATINGS } from "./metrics.js";
import { READ_RATING, READ_VALUE, READ_WIRE_VALUE } from "./opcodes.js";
import { handle, lossReason } from "./wasm.js";

/** @typedef {import("../types/attribution.js").AttributionReportOpts} ReportOptions */
/** @typedef {Omit<import("../types/index.js").Metric, "entries" | "name"> & { name: import("../types/index.js").MetricName, entries: ObservedEntry[], attribution?: object }} Report */

/** The callbacks that have been told of a refusal, each once. @type {Set<unknown>} */
const told = new Set();

/** Says that WebAssembly is refused. @param {ReportOptions["onRefused"]} onRefused */
const refuse = (onRefused) => {
  if (!told.size) console.warn(`edge-vitals measures without WebAssembly: ${lossReason}`);
  if (!told.has(onRefused)) onRefused?.(/** @type {"csp" | "unsupported"} */ (lossReason));
  told.add(onRefused);
};

/**
 * Returns the `on…` function of a metric.
 * @param {number} metric
 * @param {(options: ReportOptions) => import("./attribution.js").Attributor} [createAttributor]
 * @returns {(callback: (report: Report) => void, options?: ReportOptions) => () => void}
 */
export const on = (metric, createAttributor) => (callback, options) => {
  if (lossReason && globalThis.document) refuse(options?.onRefused);
  const attributor = createAttributor?.(options ?? {});
  return measure(
    undefined,
    { ...options, ...attributor },
    undefined,
    undefined,
    // CLS needs FCP: a page that was never painted does not shift.
    metric === CLS ? [FCP, metric] : [metric],
    (reported, delta, instance, slot) => {
      if (reported !== metric) return;
      const { entries, navigation } = instance;
      /** @type {Report} */
      const report = {
        name: METRIC_NAMES[metric],
        value: handle(READ_VALUE, slot),
        rating: RATINGS[handle(READ_RATING, slot)],
        delta,
        entries,
        id: (instance.id ??= `v1-${Date.now()}-${Math.random()}`),
        navigationType: instance.type,
        navigationId: (metric === FCP && entries[0]?.navigationId) || navigation?.navigationId || 0,
        navigationInteractionId: navigation?.interactionId,
        navigationURL: navigation?.name,
        navigationStartTime: instance.start,
      };
      const budget = /** @type {number} */ (options?.limits?.[report.name]?.max);
      if (budget >= 0) {
        report.budget = budget;
        // In wire units, as the Worker judges.
        report.withinBudget = handle(READ_WIRE_VALUE, slot) <= Math.round(budget * (metric === CLS ? CLS_WIRE_SCALE : 1));
      }
      if (attributor) report.attribution = attributor.attribute(metric, report.value, instance);
      callback(report);
    },
  ).stop;
};
