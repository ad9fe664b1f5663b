//! Changes a product. What visitors see changes with it, at once: the edge is told before this says so.

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
