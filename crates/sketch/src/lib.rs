//! Small mergeable statistics. The main one is [`Sketch`], a log-linear histogram of wire integers that
//! answers any quantile from a few hundred bytes. Sketches merge exactly, in any order, to the same bytes on
//! every machine, because they contain no floating-point numbers. Verdicts on the counts belong to `budget`;
//! the assignment of sketches to windows belongs to `ledger`.
//!
//! Two values in one bucket differ by less than 1/64 (1.5625 %) of the smaller one, which bounds the error of
//! every quantile. Every threshold is the upper edge of a bucket, so the good and poor shares are exact.

#![no_std]

extern crate alloc;

mod bucket;
mod encoding;
mod quantile_sketch;
pub mod space_saving;
pub mod stable_hash;

pub use bucket::SketchBucket;
pub use encoding::SketchDecodeError;
pub use quantile_sketch::{CountBounds, MAX_COUNT, RatingCounts, Sketch, SketchError};
