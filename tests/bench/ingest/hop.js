// The least that an acknowledgement by a Durable Object can cost: the request is handed on, and the
// object answers.
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
