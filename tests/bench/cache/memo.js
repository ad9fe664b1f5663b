// A cache that one would write in an hour: a map in memory, by URL, with max-age. It has no variants,
// validation, purge, request collapsing or limit, and stores cookies.
const entries = new Map();

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const entry = entries.get(url.href);
    if (entry && entry.until > Date.now()) {
      return new Response(entry.body, { headers: { ...entry.headers, age: String(Math.floor((Date.now() - entry.since) / 1000)) } });
    }
    const answer = await fetch(env.ORIGIN + url.pathname + url.search);
    const body = await answer.arrayBuffer();
    const headers = Object.fromEntries(answer.headers);
    const maxAge = Number(/max-age=(\d+)/.exec(headers["cache-control"] ?? "")?.[1] ?? 0);
    entries.set(url.href, { body, headers, since: Date.now(), until: Date.now() + maxAge * 1000 });
    return new Response(body, { status: answer.status, headers: answer.headers });
  },
};
