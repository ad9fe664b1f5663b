/**
 * The bytes of a value in the Worker, as crates/cache/src/stored_value.rs describes them: four magic bytes, the lengths of
 * head and body, the head as JSON, and the body.
 * @module
 */

/** @typedef {{ seq: number, tags: string[], expires: number, meta?: unknown }} ValueHead */

/** @param {ValueHead} head @param {Uint8Array} body @returns {Uint8Array<ArrayBuffer>} */
export function encodeValue(head, body) {
  const text = new TextEncoder().encode(JSON.stringify(head));
  const bytes = new Uint8Array(PREFIX_BYTES + text.length + body.length);
  bytes.set(MAGIC);
  const view = new DataView(bytes.buffer);
  view.setUint32(4, text.length);
  view.setUint32(8, body.length);
  bytes.set(text, PREFIX_BYTES);
  bytes.set(body, PREFIX_BYTES + text.length);
  return bytes;
}

/** Returns undefined for bytes that are no whole value. @param {Uint8Array} bytes @returns {{ head: ValueHead, body: Uint8Array } | undefined} */
export function decodeValue(bytes) {
  if (bytes.length < PREFIX_BYTES || MAGIC.some((byte, at) => bytes[at] !== byte)) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = PREFIX_BYTES + view.getUint32(4);
  if (start + view.getUint32(8) !== bytes.length) return undefined;
  try {
    return { head: JSON.parse(new TextDecoder().decode(bytes.subarray(PREFIX_BYTES, start))), body: bytes.subarray(start) };
  } catch {
    return undefined;
  }
}

/** "evv1" */
const MAGIC = [0x65, 0x76, 0x76, 0x31];
const PREFIX_BYTES = 12;
/** The Worker stores no larger ones. */
export const MAX_VALUE_BYTES = 8 * 1024 * 1024;
