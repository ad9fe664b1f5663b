// Beacons with attribution, without callbacks.
export { type Beacon, start, type StartOptions, type Stop, view } from "./attribution.js";
