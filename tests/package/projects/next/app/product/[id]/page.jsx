import Link from "next/link";

export const generateStaticParams = () => [{ id: "42" }, { id: "product" }];

export default async function Product({ params }) {
  const { id } = await params;
  return (
    <main>
      <h1>Product {id}</h1>
      <Link href="/product/product">Another</Link> <Link href="/">Back</Link>
    </main>
  );
}
