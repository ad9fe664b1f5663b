//! The page of unknown paths.

import Link from "next/link";

export default function NotFound() {
  return (
    <section className="door">
      <h1>Page not found</h1>
      <p className="lead">
        It may have moved. <Link href="/products">All plants are here.</Link>
      </p>
    </section>
  );
}
