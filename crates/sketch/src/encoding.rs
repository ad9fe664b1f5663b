//! A sketch as bytes, and back. One distribution has one code: sketches that are equal have equal
//! bytes, and bytes that decode encode to themselves. Keeping them is the ledger's business.
//!
//! A first byte of version and metric; then each used bucket in ascending order as
//! `varint((count − 1) << 2 | min(gap, 3))`, and `varint(gap − 3)` if the gap is 3 or more. The
//! gap is the number of buckets passed over since the last one, or from the beginning.

use alloc::vec::Vec;
use core::fmt;

use wire::Metric;

use crate::{MAX_COUNT, Sketch, bucket, bucket::BucketIndex};

/// Why bytes are not a sketch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SketchDecodeError {
    /// There are no bytes.
    Empty,
    /// The first byte names a version or metric that is not known here.
    UnknownHeader {
        /// That byte.
        header: u8,
    },
    /// The bytes end within a number.
    Truncated,
    /// A number is larger than any count, or written longer than it must be.
    InvalidNumber {
        /// Where the number begins.
        offset: usize,
    },
    /// A count belongs to a bucket into which no value falls.
    InvalidBucket {
        /// Where its token begins.
        offset: usize,
    },
}

impl Sketch {
    /// The bytes to keep or send: about 100 for 100 values, 500 for 10,000.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::from([VERSION << 4 | self.metric as u8]);
        let mut next = 0;
        for (index, count) in self.indexed_counts() {
            let gap = u64::from(index - next);
            write_varint(&mut bytes, (count - 1) << 2 | gap.min(3));
            if let Some(rest) = gap.checked_sub(3) {
                write_varint(&mut bytes, rest);
            }
            next = index + 1;
        }
        bytes
    }

    /// The sketch that was encoded.
    ///
    /// # Errors
    /// Whatever is not an encoded sketch is refused, with the reason.
    pub fn decode(bytes: &[u8]) -> Result<Self, SketchDecodeError> {
        let (metric, tokens) = Tokens::parse_header(bytes)?;
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
    pub fn merge_encoded(&mut self, bytes: &[u8]) -> Result<(), SketchDecodeError> {
        for token in self.tokens(bytes)? {
            let (index, count) = token?;
            self.add(index, count);
        }
        Ok(())
    }

    fn tokens<'a>(&self, bytes: &'a [u8]) -> Result<Tokens<'a>, SketchDecodeError> {
        match (Tokens::parse_header(bytes)?, bytes.first()) {
            ((metric, tokens), _) if metric == self.metric => Ok(tokens),
            (_, header) => {
                Err(SketchDecodeError::UnknownHeader { header: header.copied().unwrap_or_default() })
            }
        }
    }
}

/// The buckets of an encoded sketch, each with its count.
struct Tokens<'a> {
    reader: Reader<'a>,
    next_index: BucketIndex,
}

impl<'a> Tokens<'a> {
    fn parse_header(bytes: &'a [u8]) -> Result<(Metric, Self), SketchDecodeError> {
        let (header, _) = bytes.split_first().ok_or(SketchDecodeError::Empty)?;
        let metric = (header >> 4 == VERSION).then(|| Metric::ALL.get(usize::from(header & 15)));
        let metric = *metric.flatten().ok_or(SketchDecodeError::UnknownHeader { header: *header })?;
        Ok((metric, Self { reader: Reader { bytes, position: 1 }, next_index: 0 }))
    }

    fn read_token(&mut self) -> Result<(BucketIndex, u64), SketchDecodeError> {
        let offset = self.reader.position;
        let token = self.reader.read_varint()?;
        let gap = match token & 3 {
            3 => self.reader.read_varint()?.saturating_add(3),
            gap => gap,
        };
        let index = BucketIndex::try_from(gap).ok().and_then(|gap| self.next_index.checked_add(gap));
        let index = index.filter(|index| bucket::is_reachable(*index));
        let index = index.ok_or(SketchDecodeError::InvalidBucket { offset })?;
        let count = (token >> 2) + 1;
        if count > MAX_COUNT {
            return Err(SketchDecodeError::InvalidNumber { offset });
        }
        self.next_index = index + 1;
        Ok((index, count))
    }
}

impl Iterator for Tokens<'_> {
    type Item = Result<(BucketIndex, u64), SketchDecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        (self.reader.position < self.reader.bytes.len()).then(|| self.read_token())
    }
}

impl fmt::Display for SketchDecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "a sketch has at least one byte, and here is none"),
            Self::UnknownHeader { header } => {
                write!(f, "the first byte, {header:#04x}, is no known version and metric of a sketch")
            }
            Self::Truncated => write!(f, "the sketch ends within a number"),
            Self::InvalidNumber { offset: at } => {
                write!(f, "the number at byte {at} is not one that a sketch has")
            }
            Self::InvalidBucket { offset: at } => {
                write!(f, "the count at byte {at} is of no bucket that a value has")
            }
        }
    }
}

impl core::error::Error for SketchDecodeError {}

struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl Reader<'_> {
    fn read_varint(&mut self) -> Result<u64, SketchDecodeError> {
        let start = self.position;
        let bad = SketchDecodeError::InvalidNumber { offset: start };
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = *self.bytes.get(self.position).ok_or(SketchDecodeError::Truncated)?;
            self.position += 1;
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

fn write_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

const VERSION: u8 = 1;
