// What one writes who wants a cache in an hour: a map in memory, by address, with max-age. It knows no
// variants, no validation, no purge, no collapsing and no bound, and stores cookies.
const known = new Map();

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const found = known.get(url.href);
    if (found && found.until > Date.now()) {
      return new Response(found.body, { headers: { ...found.headers, age: String(Math.floor((Date.now() - found.since) / 1000)) } });
    }
    const answer = await fetch(env.ORIGIN + url.pathname + url.search);
    const body = await answer.arrayBuffer();
    const headers = Object.fromEntries(answer.headers);
    const maxAge = Number(/max-age=(\d+)/.exec(headers["cache-control"] ?? "")?.[1] ?? 0);
    known.set(url.href, { body, headers, since: Date.now(), until: Date.now() + maxAge * 1000 });
    return new Response(body, { status: answer.status, headers: answer.headers });
  },
};
