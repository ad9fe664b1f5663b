//! Sessions: a signed cookie with the member's id, valid for a week. Each request checks that the member still
//! exists.

import { createHmac, timingSafeEqual } from "node:crypto";
import { cookies, headers } from "next/headers";
import { redirect } from "next/navigation";

import { secrets } from "#portal/secrets.ts";
import { loaders } from "#portal/store/products.ts";
import type { Member } from "#portal/store/members.ts";

/** The signed-in member, if any. */
export async function member(): Promise<Member | undefined> {
  const id = read((await cookies()).get(NAME)?.value ?? "", Date.now());
  return id === undefined ? undefined : loaders().member.load(id);
}

/** The signed-in member; others are redirected to the sign-in page. */
export async function onlyMembers(next: string): Promise<Member> {
  return (await member()) ?? redirect(`/sign-in?next=${encodeURIComponent(next)}`);
}

/** The signed-in editor; other members are redirected to their page. */
export async function onlyEditors(next: string): Promise<Member> {
  const who = await onlyMembers(next);
  if (who.role !== "editor") redirect("/members");
  return who;
}

export async function begin(member: Member): Promise<void> {
  (await cookies()).set(NAME, written(member.id, Date.now() + WEEK), {
    httpOnly: true,
    sameSite: "lax",
    secure: IS_DEPLOYED,
    path: "/",
    maxAge: WEEK / 1000,
  });
}

export async function end(): Promise<void> {
  (await cookies()).set(NAME, "", { httpOnly: true, sameSite: "lax", secure: IS_DEPLOYED, path: "/", maxAge: 0 });
}

/**
 * Checks that a write comes from the portal's own origin. `SameSite` excludes other sites; this also excludes
 * other origins of the same site. Next.js checks Server Actions itself.
 */
export async function isOwnPage(): Promise<boolean> {
  const asked = await headers();
  const origin = asked.get("origin");
  return origin !== null && URL.canParse(origin) && new URL(origin).host === (asked.get("x-forwarded-host") ?? asked.get("host"));
}

export function written(id: string, until: number): string {
  const says = `${id}.${until}`;
  return `${says}.${signature(says)}`;
}

/** The member id of a valid session; undefined otherwise. */
export function read(cookie: string, now: number): string | undefined {
  const [, says = "", id, until, given = ""] = /^(([\w-]{1,64})\.(\d{1,15}))\.([\w-]{43})$/.exec(cookie) ?? [];
  const isGenuine = says !== "" && timingSafeEqual(Buffer.from(given), Buffer.from(signature(says)));
  return isGenuine && Number(until) > now ? id : undefined;
}

function signature(says: string): string {
  return createHmac("sha256", secrets().session).update(`session.${says}`).digest("base64url");
}

const IS_DEPLOYED = process.env.NODE_ENV === "production";
/** Browsers accept the `__Host-` prefix only over HTTPS (or localhost) and for this host alone. */
const NAME = IS_DEPLOYED ? "__Host-session" : "session";
const WEEK = 7 * 86_400_000;
