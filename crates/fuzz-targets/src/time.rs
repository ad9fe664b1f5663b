//! The time of every run: a parser reads no clock.

pub(crate) const NOW: wire::UnixMillis = wire::UnixMillis(1_800_000_000_000);
