import { cacheLife, cacheTag } from "next/cache";
import { readVersions } from "../../versions";

// Next.js renders the RSC payload of any other item for each request.
export const generateStaticParams = () => [...Array(12).keys(), "soft"].map((id) => ({ id: String(id) }));

async function loadItem(id) {
  "use cache";
  cacheTag("items", `item-${id}`);
  cacheLife("max");
  const { [id]: version = 0 } = await readVersions();
  return { text: `item ${id} is ${version}.`, padding: "x".repeat(2_000) };
}

export default async function Page({ params }) {
  const { id } = await params;
  const { text, padding } = await loadItem(id);
  return (
    <main>
      <p>{text}</p>
      <p hidden>{padding}</p>
    </main>
  );
}
