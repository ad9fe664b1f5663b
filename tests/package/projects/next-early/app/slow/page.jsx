import { connection } from "next/server";

export default async function Slow() {
  await connection();
  await new Promise((resolve) => setTimeout(resolve, 250));
  return <h1>A page whose data comes late</h1>;
}
