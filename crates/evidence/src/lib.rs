//! Evidence that a view is a visitor's. Anybody can send a beacon, so what a beacon says proves nothing; where it comes
//! from can be counted. The shells read secrets, clocks and addresses.

mod network_hash;
mod page_token;

pub use network_hash::network_bucket;
pub use page_token::{EvidenceDefect, EvidenceSecrets, MAX_VIEWS, PageClaim, TokenCheck};
