//! Other programs. Each long-running one has a process group of its own, so that Ctrl-C, an error or the
//! end of a command leaves none behind, grandchildren included.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Seek};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Mutex, Once, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

/// The process groups that are alive; none, once all are being terminated and no other may start.
static GROUPS: Mutex<Option<BTreeSet<i32>>> = Mutex::new(Some(BTreeSet::new()));
static SIGNAL_HANDLER: Once = Once::new();

/// A program that runs until it is dropped.
pub(crate) struct Child {
    child: std::process::Child,
    group: i32,
}

impl Child {
    /// Starts a program in a process group of its own.
    pub(crate) fn spawn(command: &mut Command) -> Result<Self> {
        use std::os::unix::process::CommandExt;
        SIGNAL_HANDLER.call_once(|| {
            let _ = ctrlc::set_handler(|| {
                terminate_all();
                std::process::exit(130);
            });
        });
        let mut groups = GROUPS.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(alive) = groups.as_mut() else {
            bail!("`{}` was not started: this command is ending", describe(command));
        };
        let child = command.process_group(0).spawn().with_context(|| not_found(command))?;
        let group = i32::try_from(child.id())?;
        alive.insert(group);
        Ok(Self { child, group })
    }

    /// The exit status, once the program has ended.
    pub(crate) fn try_wait(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Takes stdout and stderr, where they are piped.
    pub(crate) fn take_output(&mut self) -> Vec<Box<dyn Read + Send>> {
        let stdout = self.child.stdout.take().map(|stream| Box::new(stream) as Box<dyn Read + Send>);
        let stderr = self.child.stderr.take().map(|stream| Box::new(stream) as Box<dyn Read + Send>);
        stdout.into_iter().chain(stderr).collect()
    }

    fn wait_until(&mut self, deadline: Instant) -> Option<ExitStatus> {
        loop {
            match self.try_wait() {
                None if Instant::now() < deadline => thread::sleep(POLL_INTERVAL),
                status => return status,
            }
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let mut groups = GROUPS.lock().unwrap_or_else(PoisonError::into_inner);
        let is_alive = groups.as_mut().is_some_and(|alive| alive.remove(&self.group));
        drop(groups);
        if is_alive {
            terminate(self.group, || matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)));
        }
    }
}

/// Terminates every program that was started, and prevents other threads from starting more.
pub(crate) fn terminate_all() {
    let groups = GROUPS.lock().unwrap_or_else(PoisonError::into_inner).take();
    for group in groups.unwrap_or_default() {
        terminate(group, || true);
    }
}

/// Sends SIGTERM to a group, and SIGKILL where it is still alive after [`TERMINATION_TIMEOUT`].
/// `is_reaped` waits for the group's leader, which stays listed until then.
fn terminate(group: i32, mut is_reaped: impl FnMut() -> bool) {
    let Some(pid) = Pid::from_raw(group) else { return };
    let _ = kill_process_group(pid, Signal::TERM);
    let deadline = Instant::now() + TERMINATION_TIMEOUT;
    while !is_reaped() || test_kill_process_group(pid).is_ok() {
        if Instant::now() > deadline {
            let _ = kill_process_group(pid, Signal::KILL);
            return;
        }
        thread::sleep(POLL_INTERVAL);
    }
}

/// Runs a program to its end and returns its stdout; its output is shown only when it fails.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| not_found(command))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` failed ({}):\n{stdout}{stderr}", describe(command), output.status);
    }
    Ok(stdout)
}

/// The place where a program's output goes.
pub(crate) enum Output {
    Terminal,
    /// Appended to a file.
    File(PathBuf),
}

/// Runs a program to its end, or terminates it at the timeout.
pub(crate) fn run(command: &mut Command, output: &Output, timeout: Duration) -> Result<()> {
    if let Output::File(path) = output {
        let file = File::options().create(true).append(true).open(path);
        let file = file.with_context(|| format!("cannot write {}", path.display()))?;
        command.stdout(file.try_clone()?).stderr(file);
    }
    let status = run_until(command, timeout)?;
    if !status.success() {
        bail!("`{}` failed ({status}); its output is above", describe(command));
    }
    Ok(())
}

/// Runs a program to its end, or terminates it at the timeout. An error carries the last line of its
/// output, which is not shown.
pub(crate) fn run_silently(command: &mut Command, timeout: Duration) -> Result<()> {
    let mut log = tempfile::tempfile().context("cannot create a temporary file")?;
    command.stdout(log.try_clone()?).stderr(log.try_clone()?);
    let status = run_until(command, timeout)?;
    if !status.success() {
        let mut text = Vec::new();
        log.rewind()?;
        log.read_to_end(&mut text)?;
        let text = String::from_utf8_lossy(&text);
        let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no output");
        bail!("`{}` failed ({status}): {last}", describe(command));
    }
    Ok(())
}

fn run_until(command: &mut Command, timeout: Duration) -> Result<ExitStatus> {
    let mut child = Child::spawn(command.stdin(Stdio::null()))?;
    let status = child.wait_until(Instant::now() + timeout);
    status.with_context(|| format!("`{}` did not end within {} s", describe(command), timeout.as_secs()))
}

fn describe(command: &Command) -> String {
    let program = PathBuf::from(command.get_program());
    let name = program.file_name().unwrap_or(command.get_program());
    let words = std::iter::once(name).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn not_found(command: &Command) -> String {
    let program = command.get_program().to_string_lossy();
    format!("`{program}` could not be started; install it, or put it on PATH")
}

/// The timeout of programs that end when the user ends them.
pub(crate) const NO_TIMEOUT: Duration = Duration::from_secs(24 * 3600);
const TERMINATION_TIMEOUT: Duration = Duration::from_secs(5);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};

    use rustix::process::test_kill_process;

    use super::*;

    #[test]
    fn a_dropped_child_leaves_no_process_behind_grandchildren_included() {
        let mut shell = Command::new("sh");
        shell.args(["-c", "sleep 600 & echo $!; wait"]).stdout(Stdio::piped());
        let mut child = Child::spawn(&mut shell).expect("a shell");
        let mut line = String::new();
        BufReader::new(child.take_output().remove(0)).read_line(&mut line).expect("the grandchild's number");
        let grandchild = Pid::from_raw(line.trim().parse().expect("a number")).expect("a process");
        assert!(test_kill_process(grandchild).is_ok(), "it runs");
        drop(child);
        // Without an init process that reaps orphans, a dead one stays listed as a zombie.
        let state = std::fs::read_to_string(format!("/proc/{}/stat", line.trim())).unwrap_or_default();
        assert!(test_kill_process(grandchild).is_err() || state.contains(") Z"), "it is gone: {state}");
    }

    #[test]
    fn a_program_that_hangs_is_terminated_and_named() {
        let error =
            run_silently(Command::new("sleep").arg("600"), Duration::from_millis(50)).expect_err("it hangs");
        assert!(error.to_string().contains("`sleep 600` did not end within"), "{error}");
    }

    #[test]
    fn a_silent_failure_carries_the_last_line_of_the_output() {
        let mut shell = Command::new("sh");
        let error = run_silently(shell.args(["-c", "echo one; echo two >&2; exit 3"]), NO_TIMEOUT);
        let error = error.expect_err("it fails").to_string();
        assert!(error.ends_with("(exit status: 3): two"), "{error}");
    }

    #[test]
    fn a_missing_program_is_named_with_its_remedy() {
        let error = capture(&mut Command::new("no-such-program")).expect_err("it is missing");
        assert_eq!(
            error.to_string(),
            "`no-such-program` could not be started; install it, or put it on PATH"
        );
    }
}
