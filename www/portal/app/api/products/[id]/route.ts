//! One product. A change purges its pages from the edge cache before the response is sent.

import { named } from "#portal/app/api/products/named.ts";
import { purgeProduct } from "#portal/edge.ts";
import { isOwnPage, member } from "#portal/session.ts";
import { database } from "#portal/store/database.ts";
import { type Change, changeProduct, loaders } from "#portal/store/products.ts";

interface Context {
  params: Promise<{ id: string }>;
}

export async function GET(_: Request, { params }: Context): Promise<Response> {
  const product = await loaders().product.load((await params).id);
  return product ? Response.json(await named(product)) : refused(404, "there is no such product");
}

export async function PATCH(request: Request, { params }: Context): Promise<Response> {
  const who = await member();
  if (!who) return refused(401, "sign in first");
  if (who.role !== "editor" || !(await isOwnPage())) return refused(403, "only editors change products, from the portal's own pages");
  const change = changeIn(await request.json().catch(() => undefined));
  if (!change) return refused(422, "send name, story or price (in cents, a whole number), and nothing else");
  const product = await changeProduct(database(), (await params).id, change);
  if (!product) return refused(404, "there is no such product");
  const isPurged = await purgeProduct(product.id);
  return Response.json({ ...(await named(product)), isPurged });
}

function changeIn(body: unknown): Change | undefined {
  if (typeof body !== "object" || body === null || Array.isArray(body)) return undefined;
  const { name, story, price, ...others } = body as Record<string, unknown>;
  const isText = (value: unknown, most: number) => value === undefined || (typeof value === "string" && value.trim() !== "" && value.length <= most);
  const isPrice = price === undefined || (Number.isSafeInteger(price) && (price as number) >= 0);
  if (Object.keys(others).length || !isText(name, 100) || !isText(story, 4000) || !isPrice) return undefined;
  return { ...(name !== undefined && { name: name as string }), ...(story !== undefined && { story: story as string }), ...(price !== undefined && { price: price as number }) };
}

const refused = (status: number, error: string) => Response.json({ error }, { status, headers: { "cache-control": "no-store" } });
