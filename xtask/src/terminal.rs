//! Progress and results on the terminal.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// The spinners of all running steps. They are on stderr, so that stdout can be piped.
static SPINNERS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Prints the first line of a command: a sentence about the work ahead.
pub(crate) fn title(text: &str) {
    println!("{text}");
}

/// Runs a step behind a spinner, then prints its name and duration to stderr.
pub(crate) fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let started = Instant::now();
    let spinner = Spinner::start(name);
    let outcome = work();
    drop(spinner);
    let mark = if outcome.is_ok() { "✓" } else { "✗" };
    SPINNERS.suspend(|| eprintln!("  {mark} {name} ({:.1?})", started.elapsed()));
    outcome
}

/// A running step: a spinner on a terminal, one line in a log.
pub(crate) struct Spinner(ProgressBar);

impl Spinner {
    pub(crate) fn start(name: &str) -> Self {
        if SPINNERS.is_hidden() {
            eprintln!("  … {name}");
        }
        let bar = SPINNERS.add(ProgressBar::new_spinner().with_message(name.to_owned()));
        if let Ok(style) = ProgressStyle::with_template("  {spinner} {msg} ({elapsed})") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Prints text to stdout while spinners may be running.
pub(crate) fn print(text: &str) {
    SPINNERS.suspend(|| println!("{text}"));
}

/// Prints an error and its causes.
pub(crate) fn failure(error: &anyhow::Error) {
    SPINNERS.suspend(|| {
        eprintln!("\n✗ {error}");
        for cause in error.chain().skip(1) {
            eprintln!("  because: {cause}");
        }
    });
}
