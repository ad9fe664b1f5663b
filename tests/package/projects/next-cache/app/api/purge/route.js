import { revalidatePath, revalidateTag } from "next/cache";

export async function POST(request) {
  const { tag, profile, path } = await request.json();
  if (tag) revalidateTag(tag, profile);
  if (path) revalidatePath(path);
  return Response.json({ purged: tag ?? path });
}
