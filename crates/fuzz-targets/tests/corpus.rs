//! Every parser on its corpus, on mutations of it with a fixed seed, and on bytes that resemble nothing.

#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use export::Totals;
use fuzz_targets::TARGETS;
use ledger::{Cell, HourlyLimitCounts, QueryResult};
use sketch::Sketch;
use traffic::{RouteStats, TrafficStats, TrafficWindows};
use wire::{Metric, UnixMillis, Window, WindowSpan};

fn corpus_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// The files of a corpus in the order of their names.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = corpus_folder().join(name);
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("a readable file")).collect()
}

/// xorshift64*: the same mutations on every machine.
struct Mutator(u64);

impl Mutator {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).unwrap_or_default() % bound.max(1)
    }

    /// Changes bytes as fuzzers do: flips, deletions, repetitions, tokens, and a part of another input.
    fn mutate(&mut self, input: &mut Vec<u8>, other: &[u8]) {
        for _ in 0..=self.below(4) {
            let (at, length) = (self.below(input.len() + 1), self.below(9));
            let end = input.len().min(at + length);
            match self.below(6) {
                0 if at < input.len() => {
                    if let Some(byte) = input.get_mut(at) {
                        *byte ^= 1 << self.below(8);
                    }
                }
                1 => drop(input.drain(at..end)),
                2 => {
                    let part = input.get(at..end).unwrap_or_default().repeat(1 + self.below(40));
                    input.splice(at..at, part);
                }
                3 => drop(
                    input.splice(at..end, TOKENS.get(self.below(TOKENS.len())).expect("a token").bytes()),
                ),
                4 => {
                    let from = self.below(other.len() + 1);
                    let part = other.get(from..other.len().min(from + 64)).unwrap_or_default().to_vec();
                    drop(input.splice(at..end, part));
                }
                _ => input.truncate(at.max(1)),
            }
        }
        input.truncate(MAX_BYTES);
    }
}

const TOKENS: &[&str] = &[
    "-1",
    "1e999",
    "18446744073709551616",
    "0.1e-400",
    "null",
    "\\u0000",
    "\\ud800",
    "\u{0}",
    "é",
    "𝕏",
    "\"",
    "[",
    "{",
    "}",
    "]",
    ",",
    ":",
    ";",
    "=",
    "\r\n",
    "\n\n",
    "%00",
    "%2e%2e",
    "../",
    "//",
    "*",
    "**",
    "\u{feff}",
    "\u{202e}",
];
const MAX_BYTES: usize = 70_000;
const MUTATIONS: usize = 6000;

#[track_caller]
fn run(name: &str, target: fn(&[u8]), input: &[u8]) {
    let outcome = catch_unwind(AssertUnwindSafe(|| target(input)));
    assert!(outcome.is_ok(), "{name} on {:?}", String::from_utf8_lossy(input));
}

#[test]
fn no_parser_panics_or_breaks_a_promise_on_mutations_of_its_corpus() {
    for (name, target) in TARGETS {
        let inputs = corpus(name);
        let mut random = Mutator(0x9e37_79b9_7f4a_7c15);
        inputs.iter().for_each(|input| run(name, *target, input));
        run(name, *target, &[]);
        for _ in 0..MUTATIONS {
            let [first, second] =
                [(), ()].map(|()| inputs.get(random.below(inputs.len())).expect("an input"));
            let mut input = first.clone();
            random.mutate(&mut input, second);
            run(name, *target, &input);
        }
        let noise: Vec<u8> = (0..300).map(|_| u8::try_from(random.below(256)).unwrap_or_default()).collect();
        (0..noise.len()).for_each(|length| run(name, *target, noise.get(..length).unwrap_or_default()));
    }
}

#[test]
fn every_target_has_a_corpus_and_runs_each_night() {
    let names: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let folders = fs::read_dir(corpus_folder()).expect("the corpora");
    let folders: BTreeSet<String> =
        folders.map(|folder| folder.expect("a folder").file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(folders, names);
    let workflow =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.github/workflows/nightly.yml"))
            .expect("the workflow");
    let listed =
        workflow.split_once("parser: [").and_then(|(_, rest)| rest.split_once(']')).expect("the matrix").0;
    let listed: BTreeSet<String> = listed.split(',').map(|name| name.trim().to_owned()).collect();
    assert_eq!(listed, names);
    assert!(workflow.contains("-max_total_time=60"));
}

/// The corpus of the codecs begins with a valid message of each, which only they can write.
#[test]
fn the_corpus_of_codecs_has_a_message_of_each() {
    let mut sketch = Sketch::new(Metric::Lcp);
    [1, 900, 2500, 59_000].into_iter().for_each(|value| sketch.insert(value, 1));
    let mut traffic = TrafficStats::default();
    traffic.routes.insert("/a/:id".into(), RouteStats::default());
    let windows =
        TrafficWindows([(Window::containing(WindowSpan::Hour, UnixMillis(0)), traffic.clone())].into());
    let messages = [
        sketch.encode(),
        Cell::default().encode().expect("a cell"),
        QueryResult::default().encode().expect("a result"),
        HourlyLimitCounts::default().encode().expect("counts"),
        traffic.encode().expect("a table"),
        windows.encode().expect("windows"),
        Totals::new("shop".into(), UnixMillis(0)).encode().expect("totals"),
        RouteStats::default().encode().expect("a route"),
    ];
    for (choice, message) in (0..).zip(messages) {
        let file = corpus_folder().join("codecs").join(format!("{choice}.bin"));
        let expected = [vec![choice], message].concat();
        if std::env::var_os("UPDATE_GENERATED").is_some() {
            fs::write(&file, &expected).expect("a writable corpus");
        }
        assert_eq!(fs::read(&file).ok(), Some(expected), "{}", file.display());
    }
}
