/** Returns the seconds of a lifetime. The classes are those of the edge's routes. @param {import("../types/backend-cache.js").Lifetime} ttl */
export const secondsOf = (ttl) => (typeof ttl === "number" ? ttl : CLASSES[ttl]);

const CLASSES = { short: 60, medium: 300, long: 600, very_long: 1800 };
