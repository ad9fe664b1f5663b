import { Reporter } from "./reporter";

// A page that reports by Next.js's hook as well as by the client. It is as long as a list of products.
export default async function Early({ params }) {
  const { visit } = await params;
  return (
    <main>
      <h1>Visit {visit}</h1>
      <ul>
        {Array.from({ length: 200 }, (_, product) => (
          <li key={product}>A product with a name and some words about it, number {product}</li>
        ))}
      </ul>
      <Reporter />
    </main>
  );
}
