//! The portal's secrets, from its environment and nowhere else. One that is missing or could be guessed
//! ends the server when it starts, not when the first visitor needs it.

export interface Secrets {
  /** Signs the members' sessions. */
  session: string;
  /** Verify what the edge pushes, by the names of their keys. */
  push: Record<string, string>;
}

/** `SESSION_SECRET`, and `EDGE_VITALS_KEYS` as `2027-01:secret`, two of them with a comma between while keys are changed. */
export function secrets({ SESSION_SECRET = "", EDGE_VITALS_KEYS = "" }: NodeJS.ProcessEnv = process.env): Secrets {
  if (Buffer.byteLength(SESSION_SECRET) < SHORTEST) {
    throw new Error(`SESSION_SECRET needs ${SHORTEST} bytes: put the output of \`openssl rand -hex 32\` into .env.local`);
  }
  const push = EDGE_VITALS_KEYS.split(",").filter(Boolean).map((pair) => {
    const at = pair.indexOf(":");
    const secret = pair.slice(at + 1);
    if (at < 1 || Buffer.byteLength(secret) < SHORTEST) {
      throw new Error(`EDGE_VITALS_KEYS holds name:secret, each secret of ${SHORTEST} bytes or more, with commas between them`);
    }
    return [pair.slice(0, at), secret] as const;
  });
  return { session: SESSION_SECRET, push: Object.fromEntries(push) };
}

const SHORTEST = 32;
