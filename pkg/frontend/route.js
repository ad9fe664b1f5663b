/**
 * The template of a path, as `/product/:id`, from what a router tells of it: so that visits of one
 * page add up however many addresses it has. Asking the router is left to `next.js`.
 * @module
 */

/**
 * From the pattern of a page file, as the Pages Router gives it: `/shop/[...path]` is `/shop/:path*`.
 * @param {string} pattern
 */
export function routeOfPattern(pattern) {
  return bounded(pattern.replace(/\[{1,2}(\.\.\.)?([^\]]+)\]{1,2}/g, (_, rest, name) => `:${name}${rest ? "*" : ""}`));
}

/**
 * From a path and the values that the App Router found in it. Values are looked for from the end,
 * the innermost first, because a static segment precedes the value that it speaks of far more often
 * than it follows it: `/blog/blog` is `/blog/:slug`.
 * @param {string} path
 * @param {Readonly<Record<string, string | string[] | undefined>>} params outermost first, as the router has them
 */
export function routeOfParams(path, params) {
  const segments = path.split("/");
  const decoded = segments.map(plain);
  let end = segments.length;
  for (const [name, value] of Object.entries(params).reverse()) {
    if (value === undefined) continue;
    const values = [value].flat().map(plain);
    const at = lastIndexOf(decoded, values, end);
    if (at < 0) continue;
    const template = `:${name}${Array.isArray(value) ? "*" : ""}`;
    segments.splice(at, values.length, template);
    decoded.splice(at, values.length, template);
    end = at;
  }
  return bounded(segments.join("/"));
}

/**
 * Where the values stand in a row before `end`, as late as possible.
 * @param {string[]} segments
 * @param {string[]} values
 * @param {number} end
 */
function lastIndexOf(segments, values, end) {
  for (let at = end - values.length; at > 0 && values.length; at -= 1) {
    if (values.every((value, index) => value === segments[at + index])) return at;
  }
  return -1;
}

/** Routers do not agree on whether values are still percent-encoded. @param {string} text */
function plain(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A beacon with a longer route would be refused; without one it is counted by its path. @param {string} route */
function bounded(route) {
  return new TextEncoder().encode(route).length <= LONGEST ? route : undefined;
}

const LONGEST = 256;
