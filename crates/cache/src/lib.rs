//! What a shared cache may store, serve and must ask again: RFC 9111, with RFC 9213, RFC 5861 and RFC
//! 9211 beside it, tags that are purged at once, and the routes of a site. Nothing in here looks up,
//! fetches, or asks the time: a shell brings what it found to [`plan`], what came to [`storable`] or
//! [`freshen`], and does what they say. Each leaves its [`Grounds`], so that what is explained is what
//! was done.

mod arrival;
mod conditional;
pub mod date;
mod directives;
mod dress;
mod freshen;
mod ground;
mod guard;
mod headers;
mod limit;
mod message;
mod pattern;
mod plan;
pub mod predict;
mod routes;
mod rules;
pub mod seen;
mod status;
mod store;
mod stored;
pub mod tags;
pub mod timing;
mod vary;
pub mod warm;

pub use arrival::{Arrival, Incoming, Refusal};
pub use conditional::{Part, not_modified, range, without_body};
pub use directives::{Directives, Scope, Wishes};
pub use dress::Dress;
pub use freshen::{Freshened, freshen};
pub use ground::{Ground, Grounds, Source};
pub use guard::{Proof, Require, Turned};
pub use headers::Headers;
pub use limit::{Limiter, Limits};
pub use message::{RequestHead, ResponseHead};
pub use pattern::PathPattern;
pub use plan::{Conditions, Found, Plan, plan, stands_in};
pub use routes::{Cookies, FieldName, Host, Mistake, Origin, Route, Routes, Schedule};
pub use rules::Rules;
pub use status::{Miss, Outcome, Particulars};
pub use store::storable;
pub use stored::{Frame, PREFIX, Stored, Terms};
pub use vary::{names as vary_names, variant};
pub use wire::UnixMillis;
