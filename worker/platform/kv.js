// The KV namespace of a workerd of one's own: a file for each key, which begins with the time at which it expires.
// workerd replaces files atomically.

const NO_EXPIRY = 0;
/** The digits of a time in milliseconds, and a line break. */
const HEAD_BYTES = 16;

export default {
  /** @param {Request} request @param {{ FILES: Fetcher }} env */
  async fetch(request, env) {
    const url = new URL(request.url);
    const file = `http://files/${await fileName(decodeURIComponent(url.pathname.slice(1)))}`;
    switch (request.method) {
      case "GET":
        return read(await env.FILES.fetch(file));
      case "PUT": {
        const head = String(expiry(url.searchParams)).padStart(HEAD_BYTES - 1, "0");
        const value = new Uint8Array(await request.arrayBuffer());
        const body = new Uint8Array(HEAD_BYTES + value.byteLength);
        body.set(new TextEncoder().encode(`${head}\n`));
        body.set(value, HEAD_BYTES);
        const { ok } = await env.FILES.fetch(file, { method: "PUT", body });
        return new Response(null, { status: ok ? 200 : 500 });
      }
      case "DELETE":
        await env.FILES.fetch(file, { method: "DELETE" });
        return new Response(null);
      default:
        return new Response("not supported", { status: 405 });
    }
  },
};

/** @param {Response} stored */
async function read(stored) {
  if (!stored.ok) return new Response(null, { status: 404 });
  const bytes = await stored.arrayBuffer();
  const expires = Number(new TextDecoder().decode(bytes.slice(0, HEAD_BYTES)));
  const isCurrent = bytes.byteLength >= HEAD_BYTES && (expires === NO_EXPIRY || expires > Date.now());
  return isCurrent ? new Response(bytes.slice(HEAD_BYTES)) : new Response(null, { status: 404 });
}

/** @param {URLSearchParams} parameters */
function expiry(parameters) {
  const [at, ttl] = ["expiration", "expiration_ttl"].map((name) => Number(parameters.get(name)) * 1000);
  return at || (ttl ? Date.now() + ttl : NO_EXPIRY);
}

/** Keys may contain what file names may not. @param {string} key */
async function fileName(key) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(key)));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
