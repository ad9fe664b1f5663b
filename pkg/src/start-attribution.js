/**
 * Beacons that say why: beside each value what it was that took so long, in whole milliseconds and
 * short words.
 * @module
 */
import { NAMES } from "./page.js";
import { reasons } from "./reasons.js";
import { start as measureAndSend } from "./start.js";

export { view } from "./start.js";

/** What a beacon says of a reason: no entries, no query strings. */
const summary = ({ longestScript, ...reason }) => {
  const said = {};
  for (const [name, value] of Object.entries({
    ...reason,
    largestShiftValue: reason.largestShiftValue * 1e4,
    url: reason.url?.split(/[?#]/)[0],
    script: longestScript?.entry.sourceURL.split(/[?#]/)[0],
    scriptSubpart: longestScript?.subpart,
  })) {
    if (value > 0) said[name] = Math.ceil(value);
    else if (value?.trim) said[name] = value.slice(0, 200);
  }
  return said;
};

export const start = (options) => {
  const layer = reasons(options);
  return measureAndSend({
    ...options,
    ...layer,
    describe(measurement) {
      const told = {};
      measurement.vitals().forEach((vital, metric) => {
        if (vital.entries[0] && NAMES[metric] !== "FID") {
          told[NAMES[metric]] = summary(layer.attribute(metric, measurement.exact(metric), vital));
        }
      });
      return told;
    },
  });
};
