//! A deadline for what is awaited: a shard, KV or an asset that hangs must not hang its reader.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use worker::Delay;

/// Awaits a future for that long at most; `None` is beyond the deadline. The future is dropped then, though its
/// request may still take effect.
pub(crate) async fn with_deadline<T>(millis: u64, work: impl Future<Output = T>) -> Option<T> {
    match select(pin!(work), pin!(Delay::from(Duration::from_millis(millis)))).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(_) => None,
    }
}
