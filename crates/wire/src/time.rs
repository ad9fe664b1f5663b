//! Times of the edge's clock. A type of its own keeps them apart from times since a page's origin.

/// Milliseconds since the Unix epoch, by the edge's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "documents", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// Returns the time `span_ms` earlier, at the epoch at the earliest.
    #[must_use]
    pub const fn saturating_sub(self, span_ms: u64) -> Self {
        Self(self.0.saturating_sub(span_ms))
    }

    /// Returns the time `span_ms` later.
    #[must_use]
    pub const fn saturating_add(self, span_ms: u64) -> Self {
        Self(self.0.saturating_add(span_ms))
    }
}
