//! The portal's secrets, from the environment. A missing or short secret fails the start of the server, not the
//! first request.

export interface Secrets {
  /** Signs the members' sessions. */
  session: string;
  /** Verify pushed documents, by key name. */
  push: Record<string, string>;
}

/** Reads `SESSION_SECRET`, and `EDGE_VITALS_KEYS` as `2027-01:secret`, comma-separated during a key rotation. */
export function secrets({ SESSION_SECRET = "", EDGE_VITALS_KEYS = "" }: NodeJS.ProcessEnv = process.env): Secrets {
  if (Buffer.byteLength(SESSION_SECRET) < SHORTEST) {
    throw new Error(`SESSION_SECRET must have at least ${SHORTEST} bytes: put the output of \`openssl rand -hex 32\` into .env.local`);
  }
  const push = EDGE_VITALS_KEYS.split(",").filter(Boolean).map((pair) => {
    const at = pair.indexOf(":");
    const secret = pair.slice(at + 1);
    if (at < 1 || Buffer.byteLength(secret) < SHORTEST) {
      throw new Error(`EDGE_VITALS_KEYS must be a comma-separated list of name:secret, each secret with at least ${SHORTEST} bytes`);
    }
    return [pair.slice(0, at), secret] as const;
  });
  return { session: SESSION_SECRET, push: Object.fromEntries(push) };
}

const SHORTEST = 32;
