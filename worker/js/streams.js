// Bodies and bytes.

/**
 * Reads a body whole. Returns undefined if it has more than `maxBytes`.
 * @param {ReadableStream<Uint8Array> | null} body
 * @param {number} maxBytes
 * @returns {Promise<Uint8Array<ArrayBuffer> | undefined>}
 */
export async function readBody(body, maxBytes) {
  if (!body) return new Uint8Array();
  const chunks = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.byteLength;
    if (size > maxBytes) return undefined;
    chunks.push(chunk);
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  return bytes;
}

/**
 * Reads a body as text; empty if it has more than `maxBytes`.
 * @param {ReadableStream<Uint8Array> | null} body
 * @param {number} maxBytes
 */
export const readText = async (body, maxBytes) => new TextDecoder().decode(await readBody(body, maxBytes));

/**
 * Breaks a body off once it has more than `maxBytes`.
 * @param {ReadableStream<Uint8Array> | null} body
 * @param {number} maxBytes
 * @param {() => void} onExcess
 */
export function limitBody(body, maxBytes, onExcess) {
  if (!body) return undefined;
  let size = 0;
  return body.pipeThrough(
    new TransformStream({
      transform(chunk, controller) {
        size += chunk.byteLength;
        if (size <= maxBytes) return controller.enqueue(chunk);
        onExcess();
        controller.error(new Error(`the body has more than ${maxBytes} bytes`));
      },
    }),
  );
}

/** @param {BufferSource} bytes */
export async function sha256Hex(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Header fields as Rust reads them: a line each.
 * @param {Headers} headers
 */
export function headerLines(headers) {
  let text = "";
  // Half the cost of an iterator, for every request.
  headers.forEach((value, name) => (text += `${name}:${value}\n`));
  return text;
}
