//! `npm run setup`: migrates the database, and inserts the plants if they are missing.

import { randomUUID } from "node:crypto";
import { join } from "node:path";

import { CATALOGUE, REVIEWS } from "#portal/scripts/catalogue.ts";
import { open, sql } from "#portal/store/database.ts";
import { migrate } from "#portal/store/migrate.ts";

console.log("Brings the portal's database up to date, and fills an empty one.");
const database = open(process.env);
try {
  const applied = await migrate(database, join(import.meta.dirname, "../migrations"));
  console.log(applied.length ? `${database.kind}: applied ${applied.join(", ")}` : `${database.kind}: nothing to migrate`);
  const filled = await database.transaction(async (inside) => {
    const [row] = await inside.query<{ count: number }>("count", sql`select count(*) as count from products`);
    if (row?.count) return false;
    for (const { id, name, latin, story, light, price } of CATALOGUE) {
      await inside.query("plant", sql`insert into products (id, name, latin, story, light, price, image, changed_at) values (${id}, ${name}, ${latin}, ${story}, ${light}, ${price}, ${`/plants/${id}.jpg`}, ${Date.now()})`);
    }
    for (const [number, { product, member, stars, words }] of REVIEWS.entries()) {
      // Authors of reviews only: they have no password.
      await inside.query("reviewer", sql`insert into members (id, email, name, role, password) values (${`m${member}`}, ${`member-${member}@portal.invalid`}, ${`Member ${member}`}, ${"member"}, ${"none:"}) on conflict do nothing`);
      await inside.query("review", sql`insert into reviews (id, product_id, member_id, stars, words, written_at) values (${randomUUID()}, ${product}, ${`m${member}`}, ${stars}, ${words}, ${Date.now() - number * 7_200_000})`);
    }
    return true;
  });
  console.log(filled ? `${CATALOGUE.length} plants and ${REVIEWS.length} reviews are in it.` : "It has plants already; they are left as they are.");
} finally {
  await database.close();
}
