//! The cache before other people's origins. Every decision is made in the crate `cache`; waiting, streams
//! and bodies are JavaScript's (`worker/js`). In between are the state of the isolate and the exchange as
//! JavaScript drives it.

mod admin;
mod begin;
mod exchange;
mod isolate;
mod purge_clock;
pub(crate) mod purge_request;
mod records;
mod sync;
mod values;

pub(crate) use isolate::has_valid_config;
