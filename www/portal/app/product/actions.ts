"use server";
//! Server actions of a product page. The page does not depend on the visitor; a visitor who is not signed in is
//! sent to the sign-in page and back.

import { redirect } from "next/navigation";

import { purgeProduct } from "#portal/edge.ts";
import { onlyMembers } from "#portal/session.ts";
import { database } from "#portal/store/database.ts";
import { putOnShelf, takeFromShelf } from "#portal/store/members.ts";
import { loaders, write } from "#portal/store/products.ts";

export async function putAway(form: FormData): Promise<void> {
  const product = productIn(form);
  const who = await onlyMembers(`/product/${product}`);
  await putOnShelf(database(), who.id, product);
  redirect("/members");
}

export async function takeBack(form: FormData): Promise<void> {
  const who = await onlyMembers("/members");
  await takeFromShelf(database(), who.id, productIn(form));
  redirect("/members");
}

export async function review(form: FormData): Promise<void> {
  const product = productIn(form);
  const who = await onlyMembers(`/product/${product}`);
  const stars = Number(form.get("stars"));
  const words = String(form.get("words") ?? "").trim().slice(0, 600);
  if ([1, 2, 3, 4, 5].includes(stars) && words && (await loaders().product.load(product))) {
    await write(database(), product, who.id, stars, words);
    await purgeProduct(product);
  }
  redirect(`/product/${product}`);
}

/** Restricts an id to safe characters, so that it cannot redirect elsewhere. */
function productIn(form: FormData): string {
  return String(form.get("product") ?? "").replace(/[^\w-]/g, "").slice(0, 64);
}
