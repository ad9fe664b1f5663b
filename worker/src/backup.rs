//! The backup of a site and its restore, page by page: `archive` has the format and the rules.

use archive::Cursor;
use sites::RestoreResponse;
use wire::ApiError;
use worker::{Env, Request};

use crate::admission::Admission;
use crate::config::Config;
use crate::outbound;
use crate::query_api::{parameter, query_pairs};
use crate::response::{self, HandlerError, HandlerResult};
use crate::shard_client;
use crate::shard_protocol::{ArchiveReply, ReadBackup, RestorePage};

/// `GET /api/sites/{site}/backup`.
pub(crate) async fn backup(
    request: &Request,
    env: &Env,
    config: &Config,
    admission: &Admission,
) -> HandlerResult {
    let pairs = query_pairs(request)?;
    let (shard, shards) = shard_of(&pairs, config, &admission.site)?;
    let after: Option<Cursor> = match parameter(&pairs, "after") {
        Some(text) => {
            let cursor = serde_json::from_str(text).map_err(|_| ApiError::BadQuery {
                name: "after",
                expected: "the `next` of the page before",
            })?;
            admission.continues();
            Some(cursor)
        }
        None => None,
    };
    match shard_client::call(env, &admission.site, shard, ReadBackup { shard, shards, after }).await? {
        ArchiveReply::Page(text) => response::export("application/x-ndjson", text),
        other => Err(refusal(other)),
    }
}

/// `POST /api/sites/{site}/restore`.
pub(crate) async fn restore(
    request: &Request,
    env: &Env,
    config: &Config,
    admission: &Admission,
) -> HandlerResult {
    let (shard, shards) = shard_of(&query_pairs(request)?, config, &admission.site)?;
    let read = outbound::read_bounded(request.inner().body(), MAX_PAGE_BYTES).await;
    let bytes = read.ok_or(ApiError::TooLarge { limit: MAX_PAGE_BYTES })?;
    let not_text = |_| ApiError::Malformed { field: String::new(), reason: "not a page of a backup".into() };
    let text = String::from_utf8(bytes).map_err(not_text)?;
    if !text.starts_with(r#"{"header""#) {
        admission.continues();
    }
    match shard_client::call(env, &admission.site, shard, RestorePage { shard, shards, text }).await? {
        ArchiveReply::Restored { rows, complete } => response::document(&RestoreResponse { rows, complete }),
        other => Err(refusal(other)),
    }
}

fn refusal(reply: ArchiveReply) -> HandlerError {
    match reply {
        ArchiveReply::Refused(reason) => ApiError::Conflict { reason }.into(),
        ArchiveReply::Page(_) | ArchiveReply::Restored { .. } => {
            ApiError::Unavailable { component: "ledger" }.into()
        }
    }
}

/// Returns the shard that a request names, and the number of shards.
fn shard_of(pairs: &[(String, String)], config: &Config, site: &str) -> Result<(u32, u32), ApiError> {
    let shards = config.shards_of(site).indices().end;
    let named = parameter(pairs, "shard").unwrap_or("0");
    let shard = named.parse().ok().filter(|shard| *shard < shards);
    let wrong = ApiError::BadQuery { name: "shard", expected: "the number of a shard of the site, from 0" };
    Ok((shard.ok_or(wrong)?, shards))
}

/// The largest page, and a row more.
const MAX_PAGE_BYTES: usize = 5_000_000;
