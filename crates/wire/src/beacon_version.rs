//! The version of the beacon, for the parser and for the error that names it.

/// The newest version that is read and written. Older versions stay readable for ever.
pub const VERSION: u64 = 1;
