/**
 * What a server gets of the client: the same names, and nothing happens. Pages that are rendered
 * there import it too; no module of the browser's is compiled or bundled for them.
 * @module
 */
const nothing = () => {};
const never = () => nothing;

export {
  never as onCLS,
  never as onFCP,
  never as onFID,
  never as onINP,
  never as onLCP,
  never as onTTFB,
  never as start,
  nothing as view,
};
