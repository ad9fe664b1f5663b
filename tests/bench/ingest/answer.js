// The smallest Worker: responds to a beacon and discards it.
export default { fetch: () => new Response(null, { status: 204 }) };
