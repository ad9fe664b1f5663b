"use server";
//! The server action of the product form.

import { purgeProduct } from "#portal/edge.ts";
import { onlyEditors } from "#portal/session.ts";
import { database } from "#portal/store/database.ts";
import { changeProduct } from "#portal/store/products.ts";

export async function change(_: string, form: FormData): Promise<string> {
  await onlyEditors("/admin");
  const id = String(form.get("product") ?? "");
  const name = String(form.get("name") ?? "").trim();
  const story = String(form.get("story") ?? "").trim();
  const price = Math.round(Number(form.get("price")) * 100);
  if (!name || name.length > 100 || !story || story.length > 4000) return "It needs a name of at most 100 and a story of at most 4000 characters.";
  if (!Number.isSafeInteger(price) || price < 0) return "The price is a number of euros, like 24.90.";
  const product = await changeProduct(database(), id, { name, story, price });
  if (!product) return "This plant no longer exists.";
  return (await purgeProduct(id)) ? "Changed; visitors see it now." : "Changed, but the edge cache could not be purged: visitors may see the old version for ten minutes.";
}
