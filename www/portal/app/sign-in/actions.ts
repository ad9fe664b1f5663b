"use server";
//! Server actions to sign in and out.

import { redirect } from "next/navigation";

import { begin, end } from "#portal/session.ts";
import { database } from "#portal/store/database.ts";
import { signedIn } from "#portal/store/members.ts";

export interface Refused {
  email: string;
  says: string;
}

export async function signIn(_: Refused | null, form: FormData): Promise<Refused> {
  const email = String(form.get("email") ?? "");
  const password = String(form.get("password") ?? "");
  const who = email.length <= 200 && password.length <= 200 ? await signedIn(database(), email, password) : undefined;
  if (!who) return { email, says: "There is no member with this address and this password." };
  await begin(who);
  redirect(ownPath(String(form.get("next") ?? "")));
}

export async function signOut(): Promise<void> {
  await end();
  redirect("/");
}

/** The page to return to, restricted to this origin: `//elsewhere.example` is rejected. */
function ownPath(next: string): string {
  const here = "http://here.invalid";
  const url = URL.canParse(next, here) ? new URL(next, here) : undefined;
  return next.startsWith("/") && url?.origin === here ? url.pathname + url.search : "/members";
}
