//! Other programs. Each runs in a process group of its own, so that Ctrl-C, an error or the end of a
//! command leaves none behind, grandchildren included.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, Once};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

/// The groups that are alive; none, once all are being ended and no other may begin.
static GROUPS: Mutex<Option<BTreeSet<i32>>> = Mutex::new(Some(BTreeSet::new()));
static WATCHED: Once = Once::new();

/// A program that runs beside us until it is dropped.
pub struct Running {
    child: Child,
    name: String,
}

impl Running {
    /// Starts a program in a group of its own.
    pub fn start(command: &mut Command) -> Result<Self> {
        use std::os::unix::process::CommandExt;
        WATCHED.call_once(|| {
            let _ = ctrlc::set_handler(|| {
                end_all();
                std::process::exit(130);
            });
        });
        let name = command.get_program().to_string_lossy().into_owned();
        groups(|groups| {
            let Some(alive) = groups else { bail!("`{name}` was not started: this command is being ended") };
            let child = command.process_group(0).spawn().with_context(|| missing(&name))?;
            alive.insert(group(&child));
            Ok(Self { child, name })
        })
    }

    /// Waits until it ends by itself.
    pub fn wait(mut self) -> Result<ExitStatus> {
        self.child.wait().with_context(|| format!("`{}` could not be waited for", self.name))
    }

    /// Whether it has ended, and how.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// What it says on both of its streams, where they were piped.
    pub fn streams(&mut self) -> Vec<Box<dyn Read + Send>> {
        let out = self.child.stdout.take().map(|stream| Box::new(stream) as Box<dyn Read + Send>);
        let err = self.child.stderr.take().map(|stream| Box::new(stream) as Box<dyn Read + Send>);
        out.into_iter().chain(err).collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let group = group(&self.child);
        if groups(|groups| groups.as_mut().is_some_and(|alive| alive.remove(&group))) {
            end(group, || matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)));
        }
    }
}

/// Ends every program that was started, and lets no other begin: another thread may be about to.
pub fn end_all() {
    for group in groups(Option::take).unwrap_or_default() {
        end(group, || true);
    }
}

/// Runs a program to its end; its words go to the screen only when it fails.
pub fn quiet(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().with_context(|| missing(&name))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!(
            "`{}` failed ({}):\n{}{}",
            words(command),
            output.status,
            text,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(text)
}

/// Runs a program that may hang, for example on a network that does not answer.
pub fn bounded(command: &mut Command, limit: Duration) -> Result<()> {
    let log = std::env::temp_dir().join(format!("edge-vitals-{}-{}.log", std::process::id(), unique()));
    let file = File::create(&log).with_context(|| format!("{} cannot be written", log.display()))?;
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
    let outcome = until(command, limit).and_then(|status| match status {
        status if status.success() => Ok(()),
        status => bail!("`{}` failed ({status}): {}", words(command), last_line(&log)),
    });
    let _ = std::fs::remove_file(&log);
    outcome
}

fn until(command: &mut Command, limit: Duration) -> Result<ExitStatus> {
    let mut running = Running::start(command)?;
    let deadline = Instant::now() + limit;
    while Instant::now() < deadline {
        if let Some(status) = running.ended() {
            return Ok(status);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    bail!("`{}` did not end within {} s", words(command), limit.as_secs())
}

fn last_line(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing").to_owned()
}

fn unique() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Runs a program to its end with its words on the screen.
pub fn loud(command: &mut Command) -> Result<()> {
    let status = Running::start(command.stdin(Stdio::null()))?.wait()?;
    succeeded(command, status)
}

/// Where a program's words go.
pub enum Words {
    /// To whoever waits for them.
    Screen,
    /// Into a file, to be shown whole.
    File(PathBuf),
}

/// Runs a program to its end, and ends it when it takes longer than it may.
pub fn within(limit: Duration, words: &Words, command: &mut Command) -> Result<()> {
    command.stdin(Stdio::null());
    if let Words::File(path) = words {
        let file = File::options().create(true).append(true).open(path);
        let file = file.with_context(|| format!("{} cannot be written", path.display()))?;
        command.stdout(file.try_clone()?).stderr(file);
    }
    let status = until(command, limit)?;
    succeeded(command, status)
}

fn succeeded(command: &Command, status: ExitStatus) -> Result<()> {
    if !status.success() {
        bail!("`{}` failed ({status}); its own words are above", words(command));
    }
    Ok(())
}

/// A program of the locked npm packages, run by the pinned Node.
pub fn npm(root: &Path, bin: &str) -> Command {
    let bins = root.join("node_modules/.bin");
    let mut command = Command::new(bins.join(bin));
    command.current_dir(root).env("PATH", path_with(&bins));
    // Nothing of ours reports to anybody.
    command.env("WRANGLER_SEND_METRICS", "false").env("CLOUDFLARE_CF_FETCH_ENABLED", "false");
    command
}

fn path_with(first: &Path) -> std::ffi::OsString {
    let rest = std::env::var_os("PATH").unwrap_or_default();
    let all = std::iter::once(first.to_path_buf()).chain(std::env::split_paths(&rest));
    std::env::join_paths(all).unwrap_or(rest)
}

fn words(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    std::iter::once(program)
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

fn missing(name: &str) -> String {
    format!("`{name}` could not be started; install it, or put it on PATH")
}

fn group(child: &Child) -> i32 {
    i32::try_from(child.id()).unwrap_or_default()
}

/// Asks a group to end, and makes it end where it does not within a few seconds. `reaped` tells
/// whether its first program, which is ours to wait for, has been waited for.
fn end(group: i32, mut reaped: impl FnMut() -> bool) {
    let Some(pid) = Pid::from_raw(group) else { return };
    let _ = kill_process_group(pid, Signal::TERM);
    let deadline = Instant::now() + Duration::from_secs(5);
    while !reaped() || test_kill_process_group(pid).is_ok() {
        if Instant::now() > deadline {
            let _ = kill_process_group(pid, Signal::KILL);
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn groups<T>(change: impl FnOnce(&mut Option<BTreeSet<i32>>) -> T) -> T {
    change(&mut GROUPS.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
}

/// Runs cargo; it speaks only when it fails. A clean build takes minutes, and the step above it shows
/// that it goes on.
pub fn cargo_quietly(command: &mut Command) -> Result<()> {
    quiet(command.args(["--quiet", "--color", "always"])).map(drop)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};

    use rustix::process::test_kill_process;

    use super::*;

    #[test]
    fn what_is_dropped_leaves_no_process_behind_grandchildren_included() {
        let mut shell = Command::new("sh");
        shell.args(["-c", "sleep 600 & echo $!; wait"]).stdout(Stdio::piped());
        let mut running = Running::start(&mut shell).expect("a shell");
        let stream = running.streams().remove(0);
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).expect("the grandchild's number");
        let grandchild = Pid::from_raw(line.trim().parse().expect("a number")).expect("a process");
        assert!(test_kill_process(grandchild).is_ok(), "it runs");
        drop(running);
        // Where nobody reaps orphans a dead one stays listed; it is dead all the same.
        let state = std::fs::read_to_string(format!("/proc/{}/stat", line.trim())).unwrap_or_default();
        assert!(test_kill_process(grandchild).is_err() || state.contains(") Z"), "it is gone: {state}");
    }

    #[test]
    fn a_program_that_hangs_is_ended_and_named() {
        let error =
            bounded(Command::new("sleep").arg("600"), Duration::from_millis(50)).expect_err("it hangs");
        assert!(error.to_string().contains("`sleep 600` did not end within"), "{error}");
    }

    #[test]
    fn a_program_that_is_missing_is_named_with_what_to_do() {
        let error = quiet(&mut Command::new("no-such-program")).expect_err("it is missing");
        assert_eq!(
            error.to_string(),
            "`no-such-program` could not be started; install it, or put it on PATH"
        );
    }
}
