// What workerd calls: the exports of the wasm module as a handler and as Durable Object classes.
// Should the module ever trap, its memory is not to be trusted: the next call starts a fresh one,
// and a Durable Object is restarted from what it has stored.
import { DurableObject } from "cloudflare:workers";
import * as wasm from "./index.js";

const state = wasm.__worker_init_state();

function revived() {
  if (!state.criticalError) return;
  wasm.__wbg_reset_state();
  state.criticalError = false;
  state.instanceId += 1;
}

function trapped(error) {
  if (!(error instanceof WebAssembly.RuntimeError)) return;
  console.error("the module trapped and is started anew:", error);
  state.criticalError = true;
}

async function guarded(call) {
  revived();
  try {
    return await call();
  } catch (error) {
    trapped(error);
    throw error;
  }
}

addEventListener("error", (event) => trapped(event.error));

export default {
  fetch: (request, env, ctx) => guarded(() => wasm.fetch(request, env, ctx)),
  scheduled: (event, env, ctx) => guarded(() => wasm.scheduled(event, env, ctx)),
};

export class Shard extends DurableObject {
  #inner;
  #instance = -1;

  // An object of a module that is gone is made again from storage.
  #live() {
    revived();
    if (this.#instance !== state.instanceId) {
      this.#inner = new wasm.Shard(this.ctx, this.env);
      this.#instance = state.instanceId;
    }
    return this.#inner;
  }

  fetch(request) {
    return guarded(() => this.#live().fetch(request));
  }

  alarm() {
    return guarded(() => this.#live().alarm());
  }
}
