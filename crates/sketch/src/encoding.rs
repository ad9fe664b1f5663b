//! The encoding of sketches. It is canonical: equal sketches have equal bytes, and bytes that decode encode
//! to themselves. Storing the bytes is left to the ledger.
//!
//! The first byte holds version and metric. Each non-empty bucket follows in ascending order as
//! `varint((count − 1) << 2 | min(gap, 3))`, and `varint(gap − 3)` if the gap is 3 or more. The gap is the
//! number of empty buckets since the previous one, or since the first bucket of all.

use alloc::vec::Vec;
use core::fmt;

use wire::Metric;

use crate::bucket::{self, BucketIndex};
use crate::quantile_sketch::{MAX_COUNT, Sketch};

/// A defect of bytes that do not decode to a sketch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SketchDecodeError {
    /// There are no bytes.
    Empty,
    /// The first byte has an unknown version or metric.
    UnknownHeader {
        /// The first byte.
        header: u8,
    },
    /// The bytes end within a number.
    Truncated,
    /// A number is larger than [`MAX_COUNT`], or not in its shortest form.
    InvalidNumber {
        /// The offset of the number.
        offset: usize,
    },
    /// A count belongs to a bucket that no value maps to.
    InvalidBucket {
        /// The offset of its token.
        offset: usize,
    },
}

impl Sketch {
    /// Encodes the sketch: about 100 bytes for 100 values, 500 for 10,000.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::from([VERSION << 4 | self.metric() as u8]);
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

    /// Decodes a sketch.
    ///
    /// # Errors
    /// Returns the first defect of bytes that are not an encoded sketch.
    pub fn decode(bytes: &[u8]) -> Result<Self, SketchDecodeError> {
        let (metric, _) = Tokens::parse_header(bytes)?;
        let mut sketch = Self::new(metric);
        sketch.merge_encoded(bytes)?;
        Ok(sketch)
    }

    /// Adds the counts of an encoded sketch of the same metric without decoding it to a second sketch.
    ///
    /// # Errors
    /// Returns the first defect of bytes that are not an encoded sketch of this metric; the counts before it
    /// may have been added.
    pub fn merge_encoded(&mut self, bytes: &[u8]) -> Result<(), SketchDecodeError> {
        for token in self.tokens(bytes)? {
            let (index, count) = token?;
            self.add(index, count);
        }
        Ok(())
    }

    fn tokens<'a>(&self, bytes: &'a [u8]) -> Result<Tokens<'a>, SketchDecodeError> {
        match (Tokens::parse_header(bytes)?, bytes.first()) {
            ((metric, tokens), _) if metric == self.metric() => Ok(tokens),
            (_, header) => {
                Err(SketchDecodeError::UnknownHeader { header: header.copied().unwrap_or_default() })
            }
        }
    }
}

/// The non-empty buckets of an encoded sketch, each with its count.
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

    #[inline]
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

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        (self.reader.position < self.reader.bytes.len()).then(|| self.read_token())
    }
}

impl fmt::Display for SketchDecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "no bytes: an encoded sketch has at least one"),
            Self::UnknownHeader { header } => {
                write!(f, "the first byte of the sketch, {header:#04x}, has an unknown version or metric")
            }
            Self::Truncated => write!(f, "the sketch is truncated within a number"),
            Self::InvalidNumber { offset: at } => {
                write!(f, "the number at byte {at} of the sketch is too large or not in its shortest form")
            }
            Self::InvalidBucket { offset: at } => {
                write!(f, "the count at byte {at} of the sketch belongs to a bucket that no value maps to")
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
    #[inline]
    fn read_varint(&mut self) -> Result<u64, SketchDecodeError> {
        // Most numbers are a single byte.
        if let Some(byte) = self.bytes.get(self.position).filter(|byte| **byte < 0x80) {
            self.position += 1;
            return Ok(u64::from(*byte));
        }
        self.read_long_varint()
    }

    fn read_long_varint(&mut self) -> Result<u64, SketchDecodeError> {
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
