// The product with a path that sends a request to a shard as the Worker does, and drops the reply: what is measured then is
// the work of the object alone. `/ping` does nothing.
import product, { Shard, TagClock } from "./index.js";

export { Shard, TagClock };

export default {
  /** @param {Request} request @param {any} env @param {any} context */
  async fetch(request, env, context) {
    switch (new URL(request.url).pathname) {
      case "/ping":
        return new Response();
      case "/shard": {
        const json = new TextEncoder().encode(await request.text());
        const body = new Uint8Array(5 + json.length);
        // The version of the protocol, and the length.
        new DataView(body.buffer).setUint8(0, 1);
        new DataView(body.buffer).setUint32(1, json.length);
        body.set(json, 5);
        const shards = env.SHARDS_OF_SITES;
        const response = await shards.get(shards.idFromName("demo/0")).fetch("https://shard/", { method: "POST", body });
        const { byteLength } = await response.arrayBuffer();
        return new Response(String(byteLength), { status: response.status });
      }
      default:
        return product.fetch(request, env, context);
    }
  },
};
