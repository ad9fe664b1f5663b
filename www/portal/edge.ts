//! What the portal tells the edge after a write, so that the next visitor sees it. Without an edge before
//! it, on a developer's machine, there is nobody to tell.

import { purgeTag } from "edge-vitals/cache";

/** Resolves to whether no older page is shown any more: a write is done even when the edge cannot be told. */
export async function purgeProduct(id: string): Promise<boolean> {
  if (!process.env.EDGE_VITALS_URL) return true;
  try {
    await Promise.all([purgeTag(`product-${id}`), purgeTag("products")]);
    return true;
  } catch (error) {
    console.error(`product ${id} was changed, and the edge could not be told: ${error instanceof Error ? error.message : error}`);
    return false;
  }
}
