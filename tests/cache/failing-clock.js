// The product with a purge clock that fails on demand: the purge of a tag `manner-…` selects the
// failure.
import { DurableObject } from "cloudflare:workers";
import product, { Shard, TagClock as WorkingClock } from "./index.js";

export default product;
export { Shard };

let mode = "well";

export class TagClock extends DurableObject {
  #own = new WorkingClock(this.ctx, this.env);

  async fetch(request) {
    mode = /"manner-(\w+)"/.exec(await request.clone().text())?.[1] ?? mode;
    if (mode === "hangs") await new Promise((resolve) => setTimeout(resolve, 60_000));
    if (mode === "errors") return new Response("no", { status: 500 });
    if (mode === "stalls") return new Response(new ReadableStream({ start: (controller) => controller.enqueue(new TextEncoder().encode("{")) }));
    if (mode === "rubbish") return new Response("{");
    return this.#own.fetch(request);
  }

  alarm() {
    return this.#own.alarm();
  }
}
