//! Where the shell keeps a performance entry, as the cores of CLS and INP decide.

/// The fate of an entry. Entries stay in JavaScript: those of a session window in one list, those of
/// an interaction in one list per interaction id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryGrouping {
    /// Drop the entry: it cannot change the value.
    Discard,
    /// Replace the list by this entry.
    StartGroup,
    /// Append the entry to the list.
    JoinGroup,
}

impl EntryGrouping {
    /// The answer to JavaScript: not a number for an entry to drop.
    #[inline(always)]
    #[must_use]
    pub const fn code(self) -> Option<u8> {
        match self {
            Self::Discard => None,
            Self::StartGroup => Some(0),
            Self::JoinGroup => Some(1),
        }
    }
}
