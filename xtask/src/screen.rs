//! What a person sees while waiting: what is being done, for how long, and what to do when it failed.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

/// The first line of a command: what it does.
pub fn title(text: &str) {
    println!("{text}");
}

/// Runs a step, shows that it goes on, and says how long it took: beside the output and not in it, so
/// that what a command prints can be read by another.
pub fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let going = Going::on(name);
    let started = Instant::now();
    let outcome = work();
    drop(going);
    let mark = if outcome.is_ok() { "✓" } else { "✗" };
    eprintln!("  {mark} {name} ({})", elapsed(started.elapsed()));
    outcome
}

/// Something that takes a while; until it is dropped, a person sees that it goes on.
pub struct Going {
    number: u64,
}

impl Going {
    /// From now on. Several things may go on at once.
    pub fn on(name: &str) -> Self {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let is_first = going_on(|all| {
            all.push((number, name.to_owned(), Instant::now()));
            number == 0
        });
        if is_first {
            thread::spawn(show);
        }
        Self { number }
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        going_on(|all| {
            all.retain(|(number, ..)| *number != self.number);
            if std::io::stderr().is_terminal() {
                eprint!("\r\x1b[K");
            }
        });
    }
}

/// Shows what goes on, in one line: a log gets it every half minute; on a terminal it is kept up to date.
fn show() {
    let terminal = std::io::stderr().is_terminal();
    let pause = Duration::from_millis(if terminal { 500 } else { 30_000 });
    loop {
        thread::sleep(pause);
        going_on(|all| {
            // What has only just begun is not waited for yet.
            let waited = all.iter().filter(|(.., since)| since.elapsed() >= pause);
            let words: Vec<String> =
                waited.map(|(_, name, since)| format!("{name} ({} s)", since.elapsed().as_secs())).collect();
            match (words.is_empty(), terminal) {
                (true, _) => {}
                (false, true) => {
                    eprint!("\r  … {}\x1b[K", words.join(", "));
                    let _ = std::io::stderr().flush();
                }
                (false, false) => eprintln!("  … {}", words.join(", ")),
            }
        });
    }
}

/// What goes on: its number, its name, since when.
fn going_on<T>(change: impl FnOnce(&mut Vec<(u64, String, Instant)>) -> T) -> T {
    static ALL: Mutex<Vec<(u64, String, Instant)>> = Mutex::new(Vec::new());
    change(&mut ALL.lock().unwrap_or_else(PoisonError::into_inner))
}

/// A span as a person says it.
pub fn elapsed(span: Duration) -> String {
    match span.as_secs() {
        seconds @ 60.. => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{:.1} s", span.as_secs_f64()),
    }
}

/// The last words of a command that failed.
pub fn failure(error: &anyhow::Error) {
    eprintln!("\n✗ {error}");
    for cause in error.chain().skip(1) {
        eprintln!("  because: {cause}");
    }
}

/// Rows of text as a table whose columns line up; numbers to the right.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let wide = |text: &str| text.chars().count();
    let widths: Vec<usize> = head
        .iter()
        .enumerate()
        .map(|(column, name)| {
            rows.iter().filter_map(|row| row.get(column)).map(|cell| wide(cell)).chain([wide(name)]).max()
        })
        .map(Option::unwrap_or_default)
        .collect();
    let mut text = String::new();
    let mut line = |cells: Vec<&str>| {
        let mut shown = String::from("  ");
        for (cell, width) in cells.into_iter().zip(&widths) {
            let gap = " ".repeat(width.saturating_sub(wide(cell)));
            let number = cell.starts_with(|first: char| first.is_ascii_digit());
            let cell = if number { format!("{gap}{cell}") } else { format!("{cell}{gap}") };
            shown.push_str(&cell);
            shown.push_str("  ");
        }
        text.push_str(shown.trim_end());
        text.push('\n');
    };
    line(head.to_vec());
    for row in rows {
        line(row.iter().map(String::as_str).collect());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_lines_up_and_puts_numbers_to_the_right() {
        let rows = vec![vec!["a".to_owned(), "10".to_owned()], vec!["long".to_owned(), "9".to_owned()]];
        assert_eq!(table(&["name", "n"], &rows), "  name  n\n  a     10\n  long   9\n");
    }
}
