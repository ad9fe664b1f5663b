// A PostgreSQL for one test: a fresh cluster in a temporary directory, reachable only by a socket in
// it. `cargo xtask` sets the folder of its programs in POSTGRES.
import { execFileSync, spawn } from "node:child_process";
import { chmodSync, chownSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PROGRAMS = process.env.POSTGRES ?? "";

export async function startPostgres() {
  const folder = mkdtempSync(join(tmpdir(), "edge-vitals-postgres-"));
  // PostgreSQL refuses to run as root, the usual account in containers.
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
  let output = "";
  await new Promise((resolve, reject) => {
    server.stderr.on("data", (bytes) => {
      output += bytes;
      if (output.includes("ready to accept connections")) resolve(undefined);
    });
    server.once("error", reject);
    server.once("exit", (code) => reject(new Error(`postgres exited with ${code}:\n${output}`)));
  });
  const ended = new Promise((resolve) => server.once("exit", resolve));
  // Otherwise an abrupt exit would leave the server running.
  const end = () => server.kill("SIGKILL");
  process.once("exit", end);
  return {
    url: `postgres://portal@localhost/postgres?host=${encodeURIComponent(folder)}`,
    async close() {
      // A fast shutdown, which disconnects clients, not a smart one.
      server.kill("SIGINT");
      await ended;
      process.off("exit", end);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Returns an id of the account of Debian's package, or else of the unprivileged one. @param {"-u" | "-g"} which */
function idOf(which) {
  for (const name of ["postgres", "nobody"]) {
    try {
      return Number(execFileSync("id", [which, name], { stdio: "pipe" }).toString());
    } catch {
      // This account does not exist here.
    }
  }
  throw new Error("postgres cannot run as root, and neither an account `postgres` nor `nobody` exists");
}
