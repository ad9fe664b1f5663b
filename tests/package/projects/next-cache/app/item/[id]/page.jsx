import { cacheLife, cacheTag } from "next/cache";
import { readVersions } from "../../versions";

export const generateStaticParams = () => [{ id: "0" }];

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
