import { updateTag } from "next/cache";

async function update(form) {
  "use server";
  updateTag(form.get("tag"));
}

export default function Page() {
  return (
    <form action={update}>
      <input name="tag" />
      <button>Update</button>
    </form>
  );
}
