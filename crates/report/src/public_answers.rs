//! Answers that need no token, shared for a few seconds by all who ask the same, so that a crowd costs the shards no
//! more than one reader. The memory is bounded in answers and in bytes.

use std::collections::BTreeMap;
use std::rc::Rc;

use wire::UnixMillis;

/// An answer, without the fields that depend on its reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The header fields, a `name:value` on each line.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
    /// The time of its making.
    pub at: UnixMillis,
}

/// The answers of the last seconds.
#[derive(Clone, Debug, Default)]
pub struct PublicAnswers {
    answers: BTreeMap<String, Rc<PublicAnswer>>,
    bytes: usize,
}

impl PublicAnswers {
    /// Returns the answer to a question, unless it is older than that.
    #[must_use]
    pub fn get(&self, key: &str, now: UnixMillis, max_age_ms: u64) -> Option<Rc<PublicAnswer>> {
        let answer = self.answers.get(key)?;
        // A clock that was set back makes no answer live longer.
        let age = now.0.checked_sub(answer.at.0)?;
        (age < max_age_ms).then(|| Rc::clone(answer))
    }

    /// Keeps an answer, if it is complete, whole and small enough. The oldest ones make room.
    pub fn insert(&mut self, key: &str, answer: PublicAnswer) {
        let size = size_of(key, &answer);
        let is_shareable = answer.status == 200 && !answer.head.contains("no-store");
        if !is_shareable || size > MAX_ANSWER_BYTES {
            return;
        }
        self.remove(key);
        while self.answers.len() >= MAX_ANSWERS || self.bytes + size > MAX_BYTES {
            let oldest = self.answers.iter().min_by_key(|(_, answer)| answer.at);
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else { return };
            self.remove(&oldest);
        }
        self.bytes += size;
        self.answers.insert(key.to_owned(), Rc::new(answer));
    }

    fn remove(&mut self, key: &str) {
        if let Some(answer) = self.answers.remove(key) {
            self.bytes = self.bytes.saturating_sub(size_of(key, &answer));
        }
    }
}

/// Returns the key of a question: its path and its parameters in any order, each with its lengths, so that no value
/// reads as another parameter.
#[must_use]
pub fn question_key(path: &str, pairs: &[(String, String)]) -> String {
    // Of a parameter that is given twice, the first counts.
    let mut pairs: Vec<&(String, String)> = pairs.iter().collect();
    pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
    let lines = pairs.iter().map(|(name, value)| format!("\n{}:{}:{name}{value}", name.len(), value.len()));
    format!("{path}{}", lines.collect::<String>())
}

fn size_of(key: &str, answer: &PublicAnswer) -> usize {
    2 * key.len() + answer.head.len() + answer.body.len() + OVERHEAD_BYTES
}

const MAX_ANSWERS: usize = 256;
const MAX_BYTES: usize = 8 * 1024 * 1024;
const MAX_ANSWER_BYTES: usize = 1024 * 1024;
const OVERHEAD_BYTES: usize = 128;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn answer(at: u64, size: usize) -> PublicAnswer {
        PublicAnswer {
            status: 200,
            head: "content-type:text/plain".into(),
            body: vec![7; size],
            at: UnixMillis(at),
        }
    }

    #[test]
    fn an_answer_is_shared_until_it_is_too_old() {
        let mut answers = PublicAnswers::default();
        answers.insert("a", answer(1000, 3));
        let get = |now| answers.get("a", UnixMillis(now), 5000).is_some();
        assert!(get(1000) && get(5999) && !get(6000) && !get(999));
        assert!(answers.get("a", UnixMillis(1000), 0).is_none());
    }

    #[test]
    fn errors_partial_answers_and_large_ones_are_not_kept() {
        let mut answers = PublicAnswers::default();
        answers.insert("error", PublicAnswer { status: 503, ..answer(0, 1) });
        answers.insert("part", PublicAnswer { head: "cache-control:no-store".into(), ..answer(0, 1) });
        answers.insert("large", answer(0, MAX_ANSWER_BYTES));
        assert!(answers.answers.is_empty());
    }

    #[test]
    fn a_question_is_the_same_in_any_order_of_its_parameters() {
        let key = |pairs: &[(&str, &str)]| {
            let pairs: Vec<_> = pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
            question_key("/badge.svg", &pairs)
        };
        assert_eq!(key(&[("site", "a"), ("metric", "LCP")]), key(&[("metric", "LCP"), ("site", "a")]));
        assert_ne!(key(&[("site", "a"), ("site", "b")]), key(&[("site", "b"), ("site", "a")]));
        assert_ne!(key(&[("a", "bc")]), key(&[("ab", "c")]));
        assert_ne!(key(&[("a", "1"), ("b", "2")]), key(&[("a", "1\n1:b2")]));
    }

    proptest! {
        #[test]
        fn memory_is_bounded_and_the_newest_answer_is_kept(
            sizes in prop::collection::vec((0..400_u16, 0..900_000_usize), 1..80)
        ) {
            let mut answers = PublicAnswers::default();
            for ((name, size), at) in sizes.into_iter().zip(0..) {
                answers.insert(&name.to_string(), answer(at, size));
                let all: usize = answers.answers.iter().map(|(key, answer)| size_of(key, answer)).sum();
                prop_assert_eq!(all, answers.bytes);
                prop_assert!(all <= MAX_BYTES && answers.answers.len() <= MAX_ANSWERS);
                prop_assert!(answers.get(&name.to_string(), UnixMillis(at), 1).is_some());
            }
        }
    }
}
