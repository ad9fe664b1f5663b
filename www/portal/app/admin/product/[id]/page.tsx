//! Edits a product. The edge cache is purged before the change is confirmed.

import type { Metadata } from "next";
import { notFound } from "next/navigation";

import { Change } from "#portal/app/admin/product/form.tsx";
import { onlyEditors } from "#portal/session.ts";
import { loaders } from "#portal/store/products.ts";

export const metadata: Metadata = { title: "Change a plant", robots: { index: false } };

export default async function ChangePage({ params }: { params: Promise<{ id: string }> }) {
  const { id } = await params;
  await onlyEditors(`/admin/product/${id}`);
  const product = await loaders().product.load(id);
  if (!product) notFound();
  return (
    <section className="door">
      <h1>{product.name}</h1>
      <Change product={product} />
    </section>
  );
}
