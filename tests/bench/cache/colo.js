// The Cache API as in the platform's documentation, and nothing more: no variants beyond the
// platform's, no purge by tag, no request collapsing.
export default {
  async fetch(request, env, context) {
    const { pathname, search } = new URL(request.url);
    const cache = caches.default;
    const cached = await cache.match(request);
    if (cached) return cached;
    const answer = await fetch(env.ORIGIN + pathname + search);
    const copy = new Response(answer.body, answer);
    context.waitUntil(cache.put(request, copy.clone()));
    return copy;
  },
};
