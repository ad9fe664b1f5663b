//! The API representation of a product.

import { loaders, type Product } from "#portal/store/products.ts";

export async function named({ id, name, latin, light, price, image, story }: Product) {
  const rating = await loaders().rating.load(id);
  return { id, name, latin, light, price, image, story, rating: rating ? { stars: rating.stars, count: rating.count } : null };
}
