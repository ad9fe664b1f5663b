//! The status history of a site.

use alerting::health_history::HealthHistory;
use report::status_history::StatusHistory;
use worker::{Env, Request};

use crate::admission::Admission;
use crate::clock::now;
use crate::config::Config;
use crate::query_api::QueryRequest;
use crate::response::{self, HandlerResult};
use crate::shard_client::call_coordinator;
use crate::shard_protocol::{HistoryQuery, HistoryResult};

/// `GET /api/health/history`: the status for readers of the site, and the incidents for holders of a token.
pub(crate) async fn history(
    request: &Request,
    env: &Env,
    config: &Config,
    admission: &Admission,
) -> HandlerResult {
    let asked = QueryRequest::new(request, admission, config)?;
    let query = asked.query("", &[], None)?;
    let (from, to) = (query.from, query.to.min(now()));
    let with_incidents = asked.holds_read_token;
    let HistoryResult { periods, incidents, more_incidents } =
        call_coordinator(env, &asked.site, HistoryQuery { from, to, with_incidents }).await?;
    let document = HealthHistory {
        v: 1,
        site: asked.site.clone(),
        from,
        to,
        history: StatusHistory::between(&periods, from, to),
        incidents: with_incidents.then_some(incidents),
        more_incidents: with_incidents.then_some(more_incidents),
    };
    let cache = if with_incidents { "private, max-age=5" } else { asked.cache_control(&query, None) };
    response::conditional_json(request, cache, &document)
}
