export const generateStaticParams = () => [{ path: ["start", "here"] }];

export default async function Document({ params }) {
  return <h1>{(await params).path.join(" / ")}</h1>;
}
