//! A member's own page; private, so the edge never caches it.

import type { Metadata } from "next";
import Image from "next/image";
import Link from "next/link";

import { takeBack } from "#portal/app/product/actions.ts";
import { signOut } from "#portal/app/sign-in/actions.ts";
import { onlyMembers } from "#portal/session.ts";
import { database } from "#portal/store/database.ts";
import { shelfOf } from "#portal/store/members.ts";
import { loaders } from "#portal/store/products.ts";

export const metadata: Metadata = { title: "Members", robots: { index: false } };

export default async function Members() {
  const who = await onlyMembers("/members");
  const shelf = await shelfOf(database(), who.id);
  return (
    <>
      <div className="row">
        <h1>{who.name}’s shelf</h1>
        <form action={signOut}>
          <button className="button quiet">Leave</button>
        </form>
      </div>
      {shelf.length ? (
        <ul className="shelf">
          {shelf.map((id) => (
            <Kept key={id} id={id} />
          ))}
        </ul>
      ) : (
        <p className="lead">
          Nothing is on it yet. <Link href="/products">Choose a plant.</Link>
        </p>
      )}
    </>
  );
}

async function Kept({ id }: { id: string }) {
  const product = await loaders().product.load(id);
  if (!product) return null;
  return (
    <li className="row">
      <Image src={product.image} alt="" width={1200} height={900} sizes="6rem" />
      <Link href={`/product/${id}`}>{product.name}</Link>
      <form action={takeBack}>
        <input type="hidden" name="product" value={id} />
        <button className="button quiet" aria-label={`Take ${product.name} off the shelf`}>
          Take it off
        </button>
      </form>
    </li>
  );
}
