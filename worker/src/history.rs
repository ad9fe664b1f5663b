//! The status history of a site.

use insight::status_history::StatusHistory;
use serde_json::json;
use worker::{Env, Request};

use crate::auth;
use crate::clock::now;
use crate::config::Config;
use crate::query_api::QueryRequest;
use crate::response::{self, CONTENT_TYPE_JSON, HandlerResult};
use crate::shard_client::call_coordinator;
use crate::shard_protocol::{HistoryQuery, HistoryResult};

/// `GET /api/health/history`: the status for readers of the site, and the incidents for holders of a token.
pub(crate) async fn history(request: &Request, env: &Env, config: &Config) -> HandlerResult {
    let asked = QueryRequest::from_request(request, env, config)?;
    let query = asked.parameters.query("", &[], None)?;
    let (from, to) = (query.from, query.to.min(now()));
    let with_incidents = auth::can_read(request, env)?;
    let HistoryResult { periods, incidents, more_incidents } =
        call_coordinator(env, &asked.site, HistoryQuery { from, to, with_incidents }).await?;
    let StatusHistory { statuses, status_ms, unevaluated_ms } = StatusHistory::between(&periods, from, to);
    let mut document = json!({
        "v": 1,
        "site": asked.site,
        "from": from,
        "to": to,
        "statuses": statuses,
        "spent": status_ms,
        "unseen": unevaluated_ms,
    });
    if let Some(fields) = document.as_object_mut().filter(|_| with_incidents) {
        fields.insert("incidents".into(), incidents.into());
        fields.insert("more_incidents".into(), more_incidents.into());
    }
    let cache = if with_incidents { "private, max-age=5" } else { asked.cache_control(&query) };
    response::conditional(request, CONTENT_TYPE_JSON, cache, document.to_string().into_bytes())
}
