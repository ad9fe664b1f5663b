// A PostgreSQL of a test's own: a fresh cluster in a directory that is gone afterwards, reached through a
// socket in it and by nothing else. `cargo xtask` names the folder of its programs in POSTGRES.
import { execFileSync, spawn } from "node:child_process";
import { chmodSync, chownSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PROGRAMS = process.env.POSTGRES ?? "";

export async function postgres() {
  const folder = mkdtempSync(join(tmpdir(), "edge-vitals-postgres-"));
  // It refuses to be run by root, as who everything runs in most containers.
  const account = process.getuid?.() === 0 ? { uid: idOf("-u"), gid: idOf("-g") } : {};
  if (account.uid !== undefined) {
    chownSync(folder, account.uid, account.gid);
    chmodSync(folder, 0o700);
  }
  const data = join(folder, "data");
  execFileSync(join(PROGRAMS, "initdb"), ["-D", data, "-U", "portal", "--auth=trust", "--encoding=UTF8", "--no-sync"], { cwd: folder, stdio: "pipe", ...account });
  const server = spawn(
    join(PROGRAMS, "postgres"),
    ["-D", data, "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "shared_buffers=16MB", "-c", "autovacuum=off"],
    { cwd: folder, stdio: ["ignore", "ignore", "pipe"], ...account },
  );
  let said = "";
  await new Promise((resolve, reject) => {
    server.stderr.on("data", (bytes) => {
      said += bytes;
      if (said.includes("ready to accept connections")) resolve(undefined);
    });
    server.once("error", reject);
    server.once("exit", (code) => reject(new Error(`postgres ended with ${code}:\n${said}`)));
  });
  const ended = new Promise((resolve) => server.once("exit", resolve));
  // An end that nobody sees would leave it there.
  const end = () => server.kill("SIGKILL");
  process.once("exit", end);
  return {
    url: `postgres://portal@localhost/postgres?host=${encodeURIComponent(folder)}`,
    async close() {
      // Fast, not smart: whoever is still connected is told to go.
      server.kill("SIGINT");
      await ended;
      process.off("exit", end);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The account that Debian's package makes, or else the one that owns nothing. @param {"-u" | "-g"} which */
function idOf(which) {
  for (const name of ["postgres", "nobody"]) {
    try {
      return Number(execFileSync("id", [which, name], { stdio: "pipe" }).toString());
    } catch {
      // There is no such account here.
    }
  }
  throw new Error("postgres cannot be run by root, and there is neither an account `postgres` nor `nobody`");
}
