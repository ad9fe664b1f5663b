// The floor of a response by a Durable Object: the request is forwarded, and the object responds.
import { DurableObject } from "cloudflare:workers";

export default {
  /** @param {Request} request @param {any} env */
  fetch: (request, env) => env.HOP.get(env.HOP.idFromName("demo/0")).fetch(request),
};

export class Hop extends DurableObject {
  fetch() {
    return new Response(null, { status: 204 });
  }
}
