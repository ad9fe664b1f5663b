/**
 * Beacons with attribution: beside each value its causes, in whole milliseconds and short texts.
 * @module
 */
import { attribution } from "./attribution.js";
import { CLS_WIRE_SCALE, FID, METRIC_NAMES } from "./metrics.js";
import { start as startBeacons } from "./start.js";

export { view } from "./start.js";

/**
 * The part of an attribution that a beacon carries: no entries, no query strings.
 * @param {Record<string, any>} attribution
 */
const summarize = ({ longestScript, ...details }) => {
  /** @type {Record<string, string | number>} */
  const summary = {};
  for (const [name, value] of Object.entries({
    ...details,
    largestShiftValue: details.largestShiftValue * CLS_WIRE_SCALE,
    url: details.url?.split(/[?#]/)[0],
    script: longestScript?.entry.sourceURL.split(/[?#]/)[0],
    scriptSubpart: longestScript?.subpart,
  })) {
    if (value > 0) summary[name] = Math.ceil(value);
    else if (value?.trim) summary[name] = value.slice(0, 200);
  }
  return summary;
};

/** @type {typeof import("../types/start-attribution.js").start} */
export const start = (options) => {
  const attributor = attribution(options);
  return startBeacons({
    ...options,
    ...attributor,
    /** @type {import("./start.js").Describe} */
    describe(measurement) {
      /** @type {import("../types/index.js").Beacon["a"]} */
      const causes = {};
      measurement.instances().forEach((instance, metric) => {
        if (instance.entries[0] && metric !== FID) {
          causes[METRIC_NAMES[metric]] = summarize(attributor.attribute(metric, measurement.readValue(metric), instance));
        }
      });
      return causes;
    },
  });
};
