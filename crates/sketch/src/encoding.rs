//! A sketch as bytes, and back. One distribution has one code: sketches that are equal have equal
//! bytes, and bytes that decode encode to themselves. Keeping them is the ledger's business.
//!
//! A first byte of version and metric; then each used bucket in ascending order as
//! `varint((count − 1) << 2 | min(gap, 3))`, and `varint(gap − 3)` if the gap is 3 or more. The
//! gap is the number of buckets passed over since the last one, or from the beginning.

use alloc::vec::Vec;
use core::fmt;

use wire::Metric;

use crate::{FULL, Sketch, bucket, bucket::Index};

/// Why bytes are not a sketch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// There are no bytes.
    Empty,
    /// The first byte names a version or metric that is not known here.
    Unknown {
        /// That byte.
        header: u8,
    },
    /// The bytes end within a number.
    Truncated,
    /// A number is larger than any count, or written longer than it must be.
    BadNumber {
        /// Where the number begins.
        at: usize,
    },
    /// A count belongs to a bucket into which no value falls.
    BadBucket {
        /// Where its token begins.
        at: usize,
    },
}

impl Sketch {
    /// The bytes to keep or send: about 100 for 100 values, 500 for 10,000.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::from([VERSION << 4 | self.metric as u8]);
        let mut next = 0;
        for (index, count) in self.indexed() {
            let gap = u64::from(index - next);
            write(&mut bytes, (count - 1) << 2 | gap.min(3));
            if let Some(rest) = gap.checked_sub(3) {
                write(&mut bytes, rest);
            }
            next = index + 1;
        }
        bytes
    }

    /// The sketch that was encoded.
    ///
    /// # Errors
    /// Whatever is not an encoded sketch is refused, with the reason.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let (metric, tokens) = Tokens::of(bytes)?;
        let mut sketch = Self::new(metric);
        for token in tokens {
            let (index, count) = token?;
            sketch.add(index, count);
        }
        Ok(sketch)
    }

    /// Adds everything that an encoded sketch of the same metric has counted, without unpacking it first.
    ///
    /// # Errors
    /// Refuses what is not an encoded sketch of this metric; what stood before the mistake may have been
    /// added.
    pub fn merge_encoded(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        for token in self.tokens(bytes)? {
            let (index, count) = token?;
            self.add(index, count);
        }
        Ok(())
    }

    fn tokens<'a>(&self, bytes: &'a [u8]) -> Result<Tokens<'a>, Malformed> {
        match (Tokens::of(bytes)?, bytes.first()) {
            ((metric, tokens), _) if metric == self.metric => Ok(tokens),
            (_, header) => Err(Malformed::Unknown { header: header.copied().unwrap_or_default() }),
        }
    }
}

/// The buckets of an encoded sketch, each with its count.
struct Tokens<'a> {
    read: Reader<'a>,
    next: Index,
}

impl<'a> Tokens<'a> {
    fn of(bytes: &'a [u8]) -> Result<(Metric, Self), Malformed> {
        let (header, _) = bytes.split_first().ok_or(Malformed::Empty)?;
        let metric = (header >> 4 == VERSION).then(|| Metric::ALL.get(usize::from(header & 15)));
        let metric = *metric.flatten().ok_or(Malformed::Unknown { header: *header })?;
        Ok((metric, Self { read: Reader { bytes, at: 1 }, next: 0 }))
    }

    fn token(&mut self) -> Result<(Index, u64), Malformed> {
        let at = self.read.at;
        let token = self.read.number()?;
        let gap = match token & 3 {
            3 => self.read.number()?.saturating_add(3),
            gap => gap,
        };
        let index = Index::try_from(gap).ok().and_then(|gap| self.next.checked_add(gap));
        let index = index.filter(|index| bucket::is_used(*index));
        let index = index.ok_or(Malformed::BadBucket { at })?;
        let count = (token >> 2) + 1;
        if count > FULL {
            return Err(Malformed::BadNumber { at });
        }
        self.next = index + 1;
        Ok((index, count))
    }
}

impl Iterator for Tokens<'_> {
    type Item = Result<(Index, u64), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        (self.read.at < self.read.bytes.len()).then(|| self.token())
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "a sketch has at least one byte, and here is none"),
            Self::Unknown { header } => {
                write!(f, "the first byte, {header:#04x}, is no known version and metric of a sketch")
            }
            Self::Truncated => write!(f, "the sketch ends within a number"),
            Self::BadNumber { at } => {
                write!(f, "the number at byte {at} is not one that a sketch has")
            }
            Self::BadBucket { at } => {
                write!(f, "the count at byte {at} is of no bucket that a value has")
            }
        }
    }
}

impl core::error::Error for Malformed {}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn number(&mut self) -> Result<u64, Malformed> {
        let start = self.at;
        let bad = Malformed::BadNumber { at: start };
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = *self.bytes.get(self.at).ok_or(Malformed::Truncated)?;
            self.at += 1;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return Err(bad);
            }
            number |= bits << shift;
            if byte < 0x80 {
                return if byte == 0 && shift > 0 { Err(bad) } else { Ok(number) };
            }
        }
        Err(bad)
    }
}

fn write(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

const VERSION: u8 = 1;
