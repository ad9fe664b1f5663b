//! The list of all products.

import type { Metadata } from "next";

import { Card } from "#portal/app/card.tsx";
import { database } from "#portal/store/database.ts";
import { listProducts } from "#portal/store/products.ts";

export const dynamic = "force-dynamic";
export const metadata: Metadata = { title: "Plants" };

export default async function Products() {
  const products = await listProducts(database());
  return (
    <>
      <h1>Plants</h1>
      <ul className="cards">
        {products.map((product, index) => (
          <Card key={product.id} product={product} heading="h2" isFirst={index === 0} />
        ))}
      </ul>
    </>
  );
}
