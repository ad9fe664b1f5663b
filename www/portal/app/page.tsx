//! The home page.

import Image from "next/image";
import Link from "next/link";

import { Card } from "#portal/app/card.tsx";
import { database } from "#portal/store/database.ts";
import { listProducts } from "#portal/store/products.ts";

export const dynamic = "force-dynamic";

export default async function Home() {
  const products = (await listProducts(database())).slice(0, 3);
  return (
    <>
      <section className="hero">
        <div>
          <h1>Plants for rooms with too little light</h1>
          <p className="lead">Six plants that forgive you, and members who say how they did.</p>
          <p>
            <Link className="button" href="/products">
              See the plants
            </Link>
          </p>
        </div>
        <Image src="/plants/house.jpg" alt="A green house with plants behind its panes" width={1600} height={1200} sizes="(max-width: 60rem) 92vw, 36rem" preload />
      </section>
      <section aria-labelledby="first">
        <h2 id="first">To begin with</h2>
        <ul className="cards">
          {products.map((product) => (
            <Card key={product.id} product={product} />
          ))}
        </ul>
      </section>
    </>
  );
}
