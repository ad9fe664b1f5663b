//! Moments and spans. A time on a visitor's clock and a time on ours never mix: each is a type.

/// Milliseconds since the Unix epoch, on the edge's own clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "documents", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// The moment `span` milliseconds earlier; never before the epoch.
    #[must_use]
    pub const fn saturating_sub(self, span_ms: u64) -> Self {
        Self(self.0.saturating_sub(span_ms))
    }

    /// The moment `span` milliseconds later.
    #[must_use]
    pub const fn saturating_add(self, span_ms: u64) -> Self {
        Self(self.0.saturating_add(span_ms))
    }
}
