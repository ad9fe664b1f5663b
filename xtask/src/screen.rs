//! What a person sees while waiting: what is being done, for how long, and what to do when it failed.

use std::io::{IsTerminal, Write};
use std::sync::mpsc::{RecvTimeoutError, channel};
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
    let started = Instant::now();
    let (stop, stopped) = channel::<()>();
    let label = name.to_owned();
    let watch = thread::spawn(move || {
        let terminal = std::io::stderr().is_terminal();
        // A log gets a line every half minute; a terminal is kept up to date in place.
        let pause = Duration::from_millis(if terminal { 500 } else { 30_000 });
        while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
            let seconds = started.elapsed().as_secs();
            if terminal {
                eprint!("\r  … {label} ({seconds} s)\x1b[K");
                let _ = std::io::stderr().flush();
            } else {
                eprintln!("  … {label} ({seconds} s)");
            }
        }
        if terminal {
            eprint!("\r\x1b[K");
        }
    });
    let outcome = work();
    drop(stop);
    let _ = watch.join();
    let mark = if outcome.is_ok() { "✓" } else { "✗" };
    eprintln!("  {mark} {name} ({})", elapsed(started.elapsed()));
    outcome
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
