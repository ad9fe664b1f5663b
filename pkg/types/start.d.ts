// The smallest build: beacons only, without callbacks and without soft navigations.
export { type Beacon, start, type StartOptions, type Stop, view } from "./index.js";
