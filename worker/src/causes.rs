//! `GET /api/vitals/causes`: the causes of slow views, by page and metric.

use report::cause_report::{CauseQuery, causes_response};
use report::query_parameters::BY_PAGE;
use worker::{Env, Request};

use crate::admission::Admission;
use crate::config::Config;
use crate::query_api::QueryRequest;
use crate::response::{self, HandlerResult};
use crate::shard_client::read_all;

pub(crate) async fn causes(
    request: &Request,
    env: &Env,
    config: &Config,
    admission: &Admission,
) -> HandlerResult {
    let asked = QueryRequest::new(request, admission, config)?;
    let query = asked.query("", BY_PAGE, None)?;
    let metric = asked.parameters.metric()?;
    let question = CauseQuery::from_series(&query);
    let read = read_all(env, config, &asked.site, question.clone()).await?;
    let cache = asked.cache_control(&query, read.shards.as_ref());
    let document = causes_response(asked.site, &question, metric, read.merged, read.shards);
    response::conditional_json(request, cache, &document)
}
