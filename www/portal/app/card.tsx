//! A product in a list. The ratings of all cards are loaded in one query.

import Image from "next/image";
import Link from "next/link";

import { euros } from "#portal/app/words.ts";
import { Stars } from "#portal/app/stars.tsx";
import { loaders, type Product } from "#portal/store/products.ts";

export async function Card({ product, heading: Heading = "h3", isFirst = false }: { product: Product; heading?: "h2" | "h3"; isFirst?: boolean }) {
  const rating = await loaders().rating.load(product.id);
  return (
    <li className="card">
      <Link href={`/product/${product.id}`}>
        <Image src={product.image} alt="" width={1200} height={900} sizes="(max-width: 40rem) 92vw, 22rem" loading={isFirst ? "eager" : "lazy"} />
        <Heading>{product.name}</Heading>
      </Link>
      <p className="quiet">{product.light}</p>
      <p className="row">
        <b>{euros(product.price)}</b>
        {rating ? <Stars stars={rating.stars} count={rating.count} /> : <span className="quiet">No reviews yet</span>}
      </p>
    </li>
  );
}
