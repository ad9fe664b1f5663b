"use client";
//! The form that edits a product and shows the result.

import { useActionState } from "react";

import { change } from "#portal/app/admin/product/actions.ts";

export function Change({ product }: { product: { id: string; name: string; story: string; price: number } }) {
  const [says, action, isPending] = useActionState(change, "");
  return (
    <form className="form" action={action}>
      <input type="hidden" name="product" value={product.id} />
      <label>
        Name
        <input name="name" required maxLength={100} defaultValue={product.name} />
      </label>
      <label>
        Price in euros
        <input name="price" inputMode="decimal" pattern="\d{1,6}([.]\d{1,2})?" required defaultValue={(product.price / 100).toFixed(2)} />
      </label>
      <label>
        Story
        <textarea name="story" required maxLength={4000} rows={6} defaultValue={product.story} />
      </label>
      <p role="status">{says}</p>
      <button className="button" disabled={isPending}>
        Change it
      </button>
    </form>
  );
}
