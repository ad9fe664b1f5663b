// The smallest build: beacons only, without callbacks.
export { type Beacon, start, type StartOptions, type Stop, view } from "./index.js";
