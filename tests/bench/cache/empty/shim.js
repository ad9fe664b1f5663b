// The handler that workerd calls.
import * as wasm from "./index.js";

export default { fetch: (request, env, context) => wasm.fetch(request, env, context) };
