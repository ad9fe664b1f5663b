//! The rights of callers: scoped tokens that are hashed at rest, the limit of failed sign-ins, and the audit log of
//! management calls. The route table of `wire` says which right an endpoint requires.

mod access_token;
mod admission;
pub mod audit;
mod caller;
mod date;
mod digest;
mod sign_in_limiter;
mod team_keys;
mod token_table;

pub use access_token::{AccessPolicy, UnverifiedToken, is_own_page, parse_key_set};
pub use admission::{SiteVisibility, admit, shares_answer};
pub use caller::{ALL_SITES, Caller};
pub use digest::{TokenDigest, is_secret};
pub use sign_in_limiter::SignInLimiter;
pub use team_keys::TeamKeys;
pub use token_table::{MIN_TOKEN_LENGTH, TokenEntry, TokenTable, TokenTableError};
