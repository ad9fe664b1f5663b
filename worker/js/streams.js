// Bodies and bytes.
import { withTimeout } from "./promises.js";

/**
 * Reads a body whole. Returns undefined if it has more than `maxBytes`. Rejects if it stalls for longer
 * than `maxStallMs`.
 * @param {ReadableStream<Uint8Array> | null} body
 * @param {number} maxBytes
 * @param {number} maxStallMs
 * @returns {Promise<Uint8Array<ArrayBuffer> | undefined>}
 */
export async function readBody(body, maxBytes, maxStallMs) {
  if (!body) return new Uint8Array();
  const reader = body.getReader();
  const chunks = [];
  let size = 0;
  try {
    for (;;) {
      const { done, value } = await withTimeout(reader.read(), maxStallMs);
      if (done) break;
      size += value.byteLength;
      if (size > maxBytes) {
        abandon(reader);
        return undefined;
      }
      chunks.push(value);
    }
  } catch (error) {
    abandon(reader);
    throw error;
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
 * Gives a body up. No request waits for it: of a body with two readers, both have to be given up.
 * @param {{ cancel(): Promise<void> } | null | undefined} body
 */
export const abandon = (body) => void body?.cancel().catch(() => {});

/**
 * Reads a body as text; empty if it has more than `maxBytes`.
 * @param {ReadableStream<Uint8Array> | null} body
 * @param {number} maxBytes
 */
export const readText = async (body, maxBytes) => new TextDecoder().decode(await readBody(body, maxBytes, MAX_UPLOAD_STALL_MS));

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

const MAX_UPLOAD_STALL_MS = 30_000;
