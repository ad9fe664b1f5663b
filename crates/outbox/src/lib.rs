//! Exactly-once push of closed windows to a backend. Each closed window becomes one immutable document with
//! its own idempotency key; documents are sent in order, one at a time, until the backend acknowledges them.
//! The shell renders documents, stores rows, holds the signing secrets, sends requests and supplies the time.
//!
//! The shell stores all effects in one transaction before it sends anything. A crash at any point therefore
//! leaves the document in the outbox, and it is sent again under the same idempotency key, by which the
//! backend detects the duplicate. `docs/push.md` documents the receiving side.

mod config;
mod effect;
mod push_config;
mod queue;
mod response;
mod signature;
mod state;

pub use config::{Sink, SinkConfigError, is_http_url, parse_signing_keys};
pub use effect::{Attempt, EnqueueError, OutboxDocument, OutboxEffect, OutboxInput, RetryTarget};
pub use push_config::PushConfig;
pub use queue::{Circuit, Outbox, OutboxSettings, OutboxStatus};
pub use response::{AttemptOutcome, RetryAfter};
pub use signature::{IDEMPOTENCY_HEADER, SIGNATURE_HEADER, SigningKey, SigningKeyError, sign};
pub use state::{DeadLetter, DeliveryError, DeliveryReceipt, OutboxEntry, OutboxState};
