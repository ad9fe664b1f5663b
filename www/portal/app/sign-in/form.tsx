"use client";
//! The sign-in form, which keeps the input after an error.

import { useActionState } from "react";

import { signIn } from "#portal/app/sign-in/actions.ts";

export function SignIn({ next }: { next: string }) {
  const [refused, action, isPending] = useActionState(signIn, null);
  return (
    <form className="form" action={action}>
      <input type="hidden" name="next" value={next} />
      <label>
        E-mail
        <input name="email" type="email" autoComplete="username" required defaultValue={refused?.email ?? ""} />
      </label>
      <label>
        Password
        <input name="password" type="password" autoComplete="current-password" required />
      </label>
      {refused && <p role="alert">{refused.says}</p>}
      <button className="button" disabled={isPending}>
        Come in
      </button>
    </form>
  );
}
