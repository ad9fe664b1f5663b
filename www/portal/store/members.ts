//! Members, their password hashes (scrypt), and their shelves.

import { randomBytes, randomUUID, scrypt, timingSafeEqual } from "node:crypto";

import { type Database, sql } from "#portal/store/database.ts";

export interface Member {
  id: string;
  email: string;
  name: string;
  role: "member" | "editor";
}

export function membersById(database: Database, ids: readonly string[]): Promise<Member[]> {
  return database.query("getMembers", sql`select id, email, name, role from members where id in (${ids})`);
}

/** The member with that password; undefined otherwise. Takes the same time for unknown members. */
export async function signedIn(database: Database, email: string, password: string): Promise<Member | undefined> {
  const [found] = await database.query<Member & { password: string }>(
    "getMemberByEmail",
    sql`select id, email, name, role, password from members where email = ${plain(email)}`,
  );
  const [salt = "", hash = ""] = (found?.password ?? NOBODY).split(":");
  const given = await hashed(password, salt);
  const kept = Buffer.from(hash, "base64url");
  const isRight = kept.length === given.length && timingSafeEqual(given, kept);
  if (!found || !isRight) return undefined;
  const { password: _, ...member } = found;
  return member;
}

/** Creates a member, or updates the password and role of an existing one. */
export async function enrol(database: Database, member: Omit<Member, "id">, password: string): Promise<void> {
  const salt = randomBytes(16).toString("base64url");
  const kept = `${salt}:${(await hashed(password, salt)).toString("base64url")}`;
  await database.query(
    "enrol",
    sql`insert into members (id, email, name, role, password) values (${randomUUID()}, ${plain(member.email)}, ${member.name}, ${member.role}, ${kept})
      on conflict (email) do update set name = excluded.name, role = excluded.role, password = excluded.password`,
  );
}

export async function shelfOf(database: Database, member: string): Promise<string[]> {
  const rows = await database.query<{ product_id: string }>(
    "getShelf",
    sql`select product_id from shelves where member_id = ${member} order by put_at desc limit 100`,
  );
  return rows.map(({ product_id }) => product_id);
}

/** Ignores a product that no longer exists. */
export function putOnShelf(database: Database, member: string, product: string): Promise<unknown> {
  return database.query(
    "putOnShelf",
    sql`insert into shelves (member_id, product_id, put_at) select ${member}, id, ${Date.now()} from products where id = ${product} on conflict do nothing`,
  );
}

export function takeFromShelf(database: Database, member: string, product: string): Promise<unknown> {
  return database.query("takeFromShelf", sql`delete from shelves where member_id = ${member} and product_id = ${product}`);
}

const plain = (email: string) => email.trim().toLowerCase();

function hashed(password: string, salt: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(password.normalize("NFKC"), salt, LENGTH, { N: 2 ** 15, r: 8, p: 1, maxmem: 2 ** 26 }, (error, hash) => (error ? reject(error) : resolve(hash)));
  });
}

const LENGTH = 32;
/** The hash to compare with for unknown members; no password has it. */
const NOBODY = `nobody:${Buffer.alloc(LENGTH).toString("base64url")}`;
