// What workerd calls: nothing but the one function.
import * as wasm from "./index.js";

export default { fetch: (request, env, context) => wasm.fetch(request, env, context) };
