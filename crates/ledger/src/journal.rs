//! The journal of a shard: each beacon from its arrival until it is folded, and each view as a fold left it, until
//! the view is settled.
//!
//! The rows of a commit are one **block**. A **fold** merges the rows of some blocks with what earlier folds know of
//! their views, and is appended as well; nothing is updated. Blocks up to the last fold's are void, and the next
//! blocks take their place, because the platform bills a moved row once, and a deleted one as well as an inserted one.
//! An **index** in memory knows the latest fold of each view. It is built in slices, after the object wakes and before
//! it folds; to append a block needs no index.
//!
//! This module decides, and the shell reads and writes. A change of the stored rows is prepared first, then written,
//! and then reported ([`Journal::blocks_written`], [`Journal::folds_written`], [`Journal::swept`]). After a failed
//! write the shell reports the rows that are stored ([`Journal::reload`]).

mod adoption;
mod codec;
mod commit_window;
mod error;
mod fold_plan;
mod index;
mod received_rows;
mod state;
mod sweep;

pub use self::adoption::{AdoptedRows, EarlierView};
pub use self::commit_window::CommitWindow;
pub use self::error::JournalError;
pub use self::fold_plan::{FoldPlan, MergedViews};
pub use self::index::HashKey;
pub use self::received_rows::ReceivedRows;
pub use self::state::{Journal, JournalStep, NewBlock, NewFold, StoredRows};
pub use self::sweep::{SettledView, Sweep};
