//! The layout of every page. It does not depend on the visitor, so the edge can cache the pages; only the
//! members' pages show the session.

import type { Metadata } from "next";
import Link from "next/link";
import { Vitals } from "edge-vitals/next";
import type { ReactNode } from "react";

import "./main.css";

export const metadata: Metadata = {
  title: { default: "Fernhouse", template: "%s · Fernhouse" },
  description: "Plants for rooms with too little light, and the members who keep them alive.",
};

export default function Layout({ children }: { children: ReactNode }) {
  return (
    <html lang="en">
      <body>
        <a className="skip" href="#content">
          Skip to content
        </a>
        <header className="head">
          <Link className="brand" href="/">
            Fernhouse
          </Link>
          <nav aria-label="Main">
            <Link href="/products">Plants</Link>
            <Link href="/members" prefetch={false}>
              Members
            </Link>
          </nav>
        </header>
        <main id="content">{children}</main>
        <footer className="foot">
          <p>A sample portal behind edge-vitals: measured, judged, cached.</p>
          <Link href="/admin" prefetch={false}>
            Health
          </Link>
        </footer>
        <Vitals site="portal" release={process.env.RELEASE ?? "dev"} overlay />
      </body>
    </html>
  );
}
