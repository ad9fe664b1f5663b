// The product with another clock: one that fails as it is told, by the purge of a tag that names how.
import { DurableObject } from "cloudflare:workers";
import product, { Shard, TagClock as Own } from "./index.js";

export default product;
export { Shard };

let manner = "well";

export class TagClock extends DurableObject {
  #own = new Own(this.ctx, this.env);

  async fetch(request) {
    manner = /"manner-(\w+)"/.exec(await request.clone().text())?.[1] ?? manner;
    if (manner === "hangs") await new Promise((resolve) => setTimeout(resolve, 60_000));
    if (manner === "errors") return new Response("no", { status: 500 });
    if (manner === "rubbish") return new Response("{");
    return this.#own.fetch(request);
  }

  alarm() {
    return this.#own.alarm();
  }
}
