//! Purges of the edge cache after a write, so that the next visitor sees the change. On a developer's machine
//! without an edge, purging does nothing.

import { purgeTag } from "edge-vitals/cache";

/** Resolves to false if the purge failed; the write is complete in either case. */
export async function purgeProduct(id: string): Promise<boolean> {
  if (!process.env.EDGE_VITALS_URL) return true;
  try {
    await Promise.all([purgeTag(`product-${id}`), purgeTag("products")]);
    return true;
  } catch (error) {
    console.error(`product ${id} was changed, but the purge of its pages failed: ${error instanceof Error ? error.message : error}`);
    return false;
  }
}
