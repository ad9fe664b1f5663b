/**
 * The client's exports on a server: they do nothing. Pages rendered there import the client too, and no
 * browser module is compiled or bundled for them.
 * @module
 */
const doNothing = () => {};
const neverStart = () => doNothing;

export * from "./thresholds.js";
export {
  neverStart as onCLS,
  neverStart as onFCP,
  neverStart as onFID,
  neverStart as onINP,
  neverStart as onLCP,
  neverStart as onTTFB,
  neverStart as start,
  doNothing as view,
};
