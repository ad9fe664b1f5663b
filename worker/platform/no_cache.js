// The Cache API of a workerd of one's own, which has one isolate: its memory and the KV are the cache's tiers.

export default {
  /** @param {Request} request */
  fetch(request) {
    return request.method === "PUT" ? new Response(null, { status: 204 }) : new Response(null, { status: 504, headers: { "cf-cache-status": "MISS" } });
  },
};
