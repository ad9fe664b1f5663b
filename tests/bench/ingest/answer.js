// The least that a Worker can do with a beacon: answer, and forget it.
export default { fetch: () => new Response(null, { status: 204 }) };
