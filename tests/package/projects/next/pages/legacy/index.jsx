import Link from "next/link";

export default function Legacy() {
  return (
    <main>
      <h1>Pages Router</h1>
      <Link href="/legacy/news">News</Link>
    </main>
  );
}
