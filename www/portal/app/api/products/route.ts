//! All products, or those with the given `ids`, with their ratings, in three queries for any number.

import { loaders, listProducts, type Product } from "#portal/store/products.ts";
import { database } from "#portal/store/database.ts";
import { named } from "#portal/app/api/products/named.ts";

export async function GET(request: Request): Promise<Response> {
  const ids = new URL(request.url).searchParams.get("ids")?.split(",").filter(Boolean).slice(0, MOST);
  const found = ids ? (await loaders().product.loadMany(ids)).filter(isProduct) : await listProducts(database());
  return Response.json({ products: await Promise.all(found.map(named)) });
}

const isProduct = (found: Product | Error | undefined): found is Product => found !== undefined && !(found instanceof Error);

const MOST = 100;
