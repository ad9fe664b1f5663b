//! A product. Its picture is the LCP element and is preloaded. Loads of single rows (the reviews' members, the
//! neighbours' ratings) are batched.

import type { Metadata } from "next";
import Image from "next/image";
import { notFound } from "next/navigation";

import { Card } from "#portal/app/card.tsx";
import { putAway, review } from "#portal/app/product/actions.ts";
import { Stars } from "#portal/app/stars.tsx";
import { day, euros } from "#portal/app/words.ts";
import { database } from "#portal/store/database.ts";
import { listProducts, loaders, newestReviews, type Product, type Review } from "#portal/store/products.ts";

export const dynamic = "force-dynamic";

interface Props {
  params: Promise<{ id: string }>;
}

export async function generateMetadata({ params }: Props): Promise<Metadata> {
  const product = await loaders().product.load((await params).id);
  return product ? { title: product.name, description: product.story.split(". ")[0] ?? product.story } : {};
}

export default async function ProductPage({ params }: Props) {
  const { id } = await params;
  const product = await loaders().product.load(id);
  if (!product) notFound();
  const [reviews, rating, all] = await Promise.all([newestReviews(database(), id), loaders().rating.load(id), listProducts(database())]);
  return (
    <>
      <article className="product">
        <Image src={product.image} alt={`${product.name} in a pot`} width={1200} height={900} sizes="(max-width: 60rem) 92vw, 38rem" preload />
        <div>
          <h1>{product.name}</h1>
          <p className="quiet">
            <i>{product.latin}</i>
          </p>
          {rating && <Stars stars={rating.stars} count={rating.count} />}
          <p className="price">{euros(product.price)}</p>
          <p>{product.story}</p>
          <p className="quiet">{product.light}</p>
          <form action={putAway}>
            <input type="hidden" name="product" value={id} />
            <button className="button">Put it on my shelf</button>
          </form>
        </div>
      </article>
      <section aria-labelledby="reviews">
        <h2 id="reviews">What members say</h2>
        <ul className="reviews">
          {reviews.map((each) => (
            <Said key={each.id} review={each} />
          ))}
        </ul>
        <details>
          <summary>Say something yourself</summary>
          <ReviewForm product={product} />
        </details>
      </section>
      <section aria-labelledby="others">
        <h2 id="others">Beside it</h2>
        <ul className="cards">
          {neighbours(all, id).map((other) => (
            <Card key={other.id} product={other} />
          ))}
        </ul>
      </section>
    </>
  );
}

async function Said({ review }: { review: Review }) {
  const author = await loaders().member.load(review.member_id);
  return (
    <li>
      <p className="row">
        <Stars stars={review.stars} />
        <small className="quiet">
          {author?.name ?? "Somebody who left"}, {day(review.written_at)}
        </small>
      </p>
      <p>{review.words}</p>
    </li>
  );
}

function ReviewForm({ product }: { product: Product }) {
  return (
    <form className="form" action={review}>
      <input type="hidden" name="product" value={product.id} />
      <label>
        Stars
        <select name="stars" defaultValue="5">
          {[5, 4, 3, 2, 1].map((stars) => (
            <option key={stars}>{stars}</option>
          ))}
        </select>
      </label>
      <label>
        Words
        <textarea name="words" required maxLength={600} rows={3} />
      </label>
      <button className="button">Say it</button>
    </form>
  );
}

/** The three products that follow in the alphabet, wrapping around. */
function neighbours(all: readonly Product[], id: string): Product[] {
  const at = all.findIndex((product) => product.id === id);
  return [...all.slice(at + 1), ...all.slice(0, Math.max(at, 0))].slice(0, 3);
}
