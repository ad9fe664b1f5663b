//! Products and reviews, and their batch loaders: one query for each kind, however many parts of a page need it.

import { randomUUID } from "node:crypto";
import DataLoader from "dataloader";
import { perRequest } from "edge-vitals/backend";

import { database, type Database, sql } from "#portal/store/database.ts";
import { membersById } from "#portal/store/members.ts";

export interface Product {
  id: string;
  name: string;
  latin: string;
  story: string;
  light: string;
  /** In cents. */
  price: number;
  image: string;
  changed_at: number;
}

export interface Rating {
  product_id: string;
  count: number;
  stars: number;
}

export interface Review {
  id: string;
  member_id: string;
  stars: number;
  words: string;
  written_at: number;
}

export function listProducts(database: Database): Promise<Product[]> {
  return database.query("listProducts", sql`select * from products order by name`);
}

export function productsById(database: Database, ids: readonly string[]): Promise<Product[]> {
  return database.query("getProduct", sql`select * from products where id in (${ids})`);
}

export function ratingsOf(database: Database, ids: readonly string[]): Promise<Rating[]> {
  return database.query(
    "getRatings",
    sql`select product_id, count(*) as count, cast(avg(stars) as real) as stars from reviews where product_id in (${ids}) group by product_id`,
  );
}

export function newestReviews(database: Database, product: string, most = 12): Promise<Review[]> {
  return database.query(
    "newestReviews",
    sql`select id, member_id, stars, words, written_at from reviews where product_id = ${product} order by written_at desc limit ${most}`,
  );
}

export function write(database: Database, product: string, member: string, stars: number, words: string): Promise<unknown> {
  return database.query(
    "writeReview",
    sql`insert into reviews (id, product_id, member_id, stars, words, written_at) values (${randomUUID()}, ${product}, ${member}, ${stars}, ${words}, ${Date.now()})`,
  );
}

/** Fields that an editor may change. */
export type Change = Partial<Pick<Product, "name" | "story" | "price">>;

/** Returns the updated product; undefined if it does not exist. */
export async function changeProduct(database: Database, id: string, { name, story, price }: Change): Promise<Product | undefined> {
  const [product] = await database.query<Product>(
    "changeProduct",
    sql`update products set name = coalesce(${name ?? null}, name), story = coalesce(${story ?? null}, story), price = coalesce(${price ?? null}, price), changed_at = ${Date.now()} where id = ${id} returning *`,
  );
  return product;
}

/** Batch loaders of one request. */
export const loaders = perRequest(() => ({
  product: batched((ids) => productsById(database(), ids), ({ id }) => id),
  rating: batched((ids) => ratingsOf(database(), ids), ({ product_id }) => product_id),
  member: batched((ids) => membersById(database(), ids), ({ id }) => id),
}));

/** Batches the keys of one tick into one query; missing keys are undefined. */
function batched<Row>(ask: (ids: readonly string[]) => Promise<Row[]>, idOf: (row: Row) => string) {
  return new DataLoader<string, Row | undefined>(
    async (ids) => {
      const rows = new Map((await ask(ids)).map((row) => [idOf(row), row]));
      return ids.map((id) => rows.get(id));
    },
    { maxBatchSize: 100 },
  );
}
