//! `GET /badge.svg`: the verdict of a site, a route or a metric as a picture. A site that is not public needs a token
//! for it, as for every read.

use report::budget_badge::badge_svg;
use report::query_parameters::BY_PAGE;
use worker::{Env, Request};

use crate::admission::Admission;
use crate::config::Config;
use crate::query_api::QueryRequest;
use crate::response::{self, HandlerResult};
use crate::{budgets, shard_client};

pub(crate) async fn badge(
    request: &Request,
    env: &Env,
    config: &Config,
    admission: &Admission,
) -> HandlerResult {
    let asked = QueryRequest::new(request, admission, config)?;
    let query = asked.query("", BY_PAGE, None)?;
    let metric = asked.parameters.metric()?;
    let read = shard_client::query(env, config, &asked.site, &query).await?;
    let budgets = budgets::in_force(&read.merged.budget_history)?;
    let svg = badge_svg(&read.merged, &query.by, metric, &budgets, read.shards.as_ref());
    response::conditional(
        request,
        "image/svg+xml",
        asked.cache_control(&query, read.shards.as_ref()),
        svg.into_bytes(),
    )
}
