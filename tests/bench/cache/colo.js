// What the platform's documentation shows: the Cache API alone, and nothing that it does not do. It knows
// no variants but what the platform keeps apart, no purge by tag, no collapsing.
export default {
  async fetch(request, env, context) {
    const { pathname, search } = new URL(request.url);
    const cache = caches.default;
    const found = await cache.match(request);
    if (found) return found;
    const answer = await fetch(env.ORIGIN + pathname + search);
    const copy = new Response(answer.body, answer);
    context.waitUntil(cache.put(request, copy.clone()));
    return copy;
  },
};
