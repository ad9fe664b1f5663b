//! The sign-in page.

import type { Metadata } from "next";

import { SignIn } from "#portal/app/sign-in/form.tsx";

export const metadata: Metadata = { title: "Sign in", robots: { index: false } };

export default async function SignInPage({ searchParams }: { searchParams: Promise<{ next?: string | string[] }> }) {
  const { next } = await searchParams;
  return (
    <section className="door">
      <h1>Members, come in</h1>
      <SignIn next={typeof next === "string" ? next : ""} />
    </section>
  );
}
