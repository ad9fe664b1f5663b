import { redirect } from "next/navigation";

export default function Moved() {
  redirect("/docs/start/here");
}
