import Link from "next/link";

export default function Home() {
  return (
    <main>
      <h1>The portal's first page</h1>
      <Link href="/product/42">Product</Link> <Link href="/docs/start/here">Documents</Link>
    </main>
  );
}
