//! The parameters, bodies and responses of each endpoint. Paths, methods, callers and summaries are in the
//! route table of `wire`.

use alerting::alert_document::{
    AcknowledgeRequest, AcknowledgeResponse, AlertReport, SilenceRequest, SilenceResponse, UnsilenceRequest,
    UnsilenceResponse,
};
use alerting::health_history::HealthHistory;
use auth::audit::AuditReport;
use report::health_document::HealthReport;
use report::performance_document::{
    BottleneckReport, MonitoringResponse, PerformanceDashboard, PerformanceMetrics, QueryReport,
    RecommendationReport, TrendReport,
};
use report::push_document::{PushReport, PushRetryRequest, PushRetryResponse};
use schemars::JsonSchema;
use serde_json::{Map, Value, json};
use sites::{
    EraseResponse, RestoreResponse, SiteList, SiteResponse, TokenList, TokenRequest, TokenResponse,
    TokenRevocation,
};
use wire::Problem;
use wire::budget_report::BudgetReport;
use wire::cache_admin::{CacheExplanation, PurgeBody, PurgeFeed, PurgeResponse, ValueStored, WarmResponse};
use wire::cache_analytics::CacheAnalytics;
use wire::lab::{LabReport, LabUpload, LabUploadResponse};
use wire::live::LiveDelta;
use wire::path_limits::{IngestResponse, PathLimits};
use wire::query_response::{CausesResponse, ComparisonResponse, QueryResponse};
use wire::routes::Endpoint;
use wire::summary::Summary;
use wire::web_vitals::{MAX_REPORTS, RawReport};

use crate::parameter::{self as p, Parameter};
use crate::schema::Schemas;

/// An operation of the API.
#[derive(Clone, Debug, Default)]
pub(crate) struct Operation {
    pub(crate) description: Option<&'static str>,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) body: Option<Value>,
    /// The responses of this operation alone.
    pub(crate) responses: Vec<(u16, Value)>,
    /// The responses that operations share.
    pub(crate) failures: Vec<Failure>,
}

/// The answer of `/api/budgets`: the report or, with the deprecated parameter `path`, limits.
#[derive(JsonSchema, serde::Serialize)]
#[serde(untagged)]
#[expect(dead_code, clippy::large_enum_variant, reason = "only its schema is used")]
enum BudgetsResponse {
    /// Without `path`.
    Report(BudgetReport),
    /// With `path`.
    Limits(PathLimits),
}

/// A response that operations share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    NotModified,
    Problem(u16),
    RetryLater(u16),
    CacheProblem(u16),
}

impl Operation {
    /// Describes an endpoint.
    pub(crate) fn for_endpoint(endpoint: Endpoint, schemas: &mut Schemas) -> Self {
        match endpoint {
            Endpoint::Ingest => ingest(schemas),
            Endpoint::IngestPreflight => Self::default(),
            Endpoint::Summary => Self::read::<Summary>(schemas, FILTERS),
            Endpoint::Series => lines(schemas).with(&[p::STEP]),
            Endpoint::Routes | Endpoint::Distribution => lines(schemas),
            Endpoint::Compare => Self::read::<ComparisonResponse>(schemas, FILTERS).with(&[
                p::A_RELEASE,
                p::B_RELEASE,
                p::A_FROM,
                p::A_TO,
                p::B_FROM,
                p::B_TO,
            ]),
            Endpoint::Causes => Self::read::<CausesResponse>(schemas, TIME_SPAN).with(&[p::ROUTE, p::DEVICE, p::METRIC]),
            Endpoint::LabReport => {
                Self::read::<LabReport>(schemas, SITE).without(&[Failure::Problem(400), Failure::Problem(422)])
            }
            Endpoint::LabUpload => {
                let body = json_body(schemas.request::<LabUpload>());
                Self::manage::<LabUploadResponse>(schemas, body)
            }
            Endpoint::Live => live(schemas),
            Endpoint::BudgetReport => budget_report(schemas),
            Endpoint::PathLimits => Self::json::<PathLimits>(schemas, "The limits in force.")
                .with(&[p::PATH, p::DEVICE])
                .failing(&[Failure::Problem(400), Failure::RetryLater(503)]),
            Endpoint::CachePurge => cache_purge(schemas),
            Endpoint::CacheWarm => cache_warm(schemas),
            Endpoint::CacheAnalytics => Self::json::<CacheAnalytics>(schemas, "The statistics.")
                .failing(&CACHE_FAILURES.map(Failure::CacheProblem)),
            Endpoint::CacheExplain => Self::json::<CacheExplanation<'_>>(schemas, "The decision with its reasons.")
                .with(&[p::EXPLAIN_URL, p::EXPLAIN_HEADER])
                .failing(&[401, 404, 405, 429, 503].map(Failure::CacheProblem)),
            Endpoint::CacheValueRead => Self::default()
                .responding(200, "The envelope as it was sent.", &[(ENVELOPE_TYPE, Value::Null)])
                .with(&[p::VALUE_KEY, p::VALUE_TAG])
                .failing(&[400, 401, 404, 405, 429, 503].map(Failure::CacheProblem)),
            Endpoint::CacheValueStore => cache_value_store(schemas),
            Endpoint::CachePurges => Self::json::<PurgeFeed>(schemas, "The purges.")
                .with(&[p::PURGES_SINCE])
                .failing(&[400, 401, 405, 429, 503].map(Failure::CacheProblem)),
            Endpoint::Badge => badge(),
            Endpoint::PerformanceDashboard => Self::read::<PerformanceDashboard>(schemas, PERFORMANCE),
            Endpoint::PerformanceMetrics => Self::read::<PerformanceMetrics>(schemas, PERFORMANCE),
            Endpoint::PerformanceQueries => Self::read::<QueryReport>(schemas, TIME_SPAN)
                .with(&[p::ROUTE])
                .described("Queries come from the origin's `Server-Timing` header. Without `route`, all queries of the site are listed."),
            Endpoint::PerformanceBottlenecks => Self::read::<BottleneckReport>(schemas, PERFORMANCE),
            Endpoint::PerformanceRecommendations => Self::read::<RecommendationReport>(schemas, PERFORMANCE),
            Endpoint::PerformanceAnalytics => {
                Self::read::<TrendReport>(schemas, PERFORMANCE).with(&[p::RELEASE_ASKED, p::AGAINST])
            }
            Endpoint::MonitoringStart | Endpoint::MonitoringStop => {
                Self::manage::<MonitoringResponse>(schemas, json_body(json!({ "type": "object" })))
            }
            Endpoint::Liveness => liveness(),
            Endpoint::Health => health(schemas),
            Endpoint::HealthHistory => Self::read::<HealthHistory>(schemas, TIME_SPAN),
            Endpoint::Metrics => Self::default()
                .with(SITE)
                .responding(200, "The metrics.", &[("text/plain", text()), ("application/openmetrics-text", text())])
                .failing(SITE_FAILURES),
            Endpoint::PushStatus => {
                Self::json::<PushReport>(schemas, "The state of each backend.").with(SITE).failing(SITE_FAILURES)
            }
            Endpoint::PushRetry => {
                let body = json_body(schemas.request::<PushRetryRequest>());
                Self::manage::<PushRetryResponse>(schemas, body)
            }
            Endpoint::Alerts => {
                Self::json::<AlertReport>(schemas, "The alerts.").with(SITE).failing(SITE_FAILURES)
            }
            Endpoint::AlertAcknowledge => {
                let body = json_body(schemas.request::<AcknowledgeRequest>());
                Self::manage::<AcknowledgeResponse>(schemas, body)
            }
            Endpoint::AlertSilence => {
                let body = json_body(schemas.request::<SilenceRequest>());
                Self::manage::<SilenceResponse>(schemas, body)
            }
            Endpoint::AlertUnsilence => {
                let body = json_body(schemas.request::<UnsilenceRequest>());
                Self::manage::<UnsilenceResponse>(schemas, body)
            }
            Endpoint::Audit => audit(schemas),
            Endpoint::Sites => Self::json::<SiteList>(schemas, "The sites.").failing(SITE_FAILURES),
            Endpoint::SiteConfigure => {
                let settings = json!({
                    "type": "object",
                    "description": "The settings of a site, as `SITES` in wrangler.toml has them.",
                });
                Self { body: Some(json_body(settings)), ..Self::operate::<SiteResponse>(schemas) }
            }
            Endpoint::SiteErase => Self::operate::<EraseResponse>(schemas).described(
                "Every Durable Object of the site is emptied. The answer names the places outside that have received data of it.",
            ),
            Endpoint::SiteTokens => Self::operate::<TokenList>(schemas),
            Endpoint::TokenCreate => {
                let body = json_body(schemas.request::<TokenRequest>());
                Self { body: Some(body), ..Self::operate::<TokenResponse>(schemas) }
            }
            Endpoint::TokenRevoke => {
                Self::operate::<TokenRevocation>(schemas).with(&[p::TOKEN_NAME, p::TOKEN_OLDEST])
            }
            Endpoint::SiteBackup => Self::default()
                .with(&[p::SITE_IN_PATH, p::SHARD, p::BACKUP_AFTER])
                .responding(200, "A page, with a document on each line.", &[("application/x-ndjson", text())])
                .failing(OPERATOR_FAILURES),
            Endpoint::SiteRestore => {
                let body = json!({ "required": true, "content": { "application/x-ndjson": { "schema": text() } } });
                Self { body: Some(body), ..Self::operate::<RestoreResponse>(schemas) }.with(&[p::SHARD])
            }
        }
    }

    /// An operation that returns a document.
    fn json<T: JsonSchema>(schemas: &mut Schemas, description: &str) -> Self {
        Self::default().responding(200, description, &[("application/json", schemas.response::<T>())])
    }

    /// A conditional read of a site's document.
    fn read<T: JsonSchema>(schemas: &mut Schemas, parameters: &[Parameter]) -> Self {
        Self::json::<T>(schemas, CONDITIONAL).with(parameters).failing(READ_FAILURES)
    }

    /// A change of a site.
    fn manage<T: JsonSchema>(schemas: &mut Schemas, body: Value) -> Self {
        Self { body: Some(body), ..Self::json::<T>(schemas, "The change is in effect.") }
            .with(SITE)
            .failing(MANAGE_FAILURES)
    }

    /// A call of an operator about a site.
    fn operate<T: JsonSchema>(schemas: &mut Schemas) -> Self {
        Self::json::<T>(schemas, "The call is done.").with(&[p::SITE_IN_PATH]).failing(OPERATOR_FAILURES)
    }

    fn described(mut self, description: &'static str) -> Self {
        self.description = Some(description);
        self
    }

    fn with(mut self, parameters: &[Parameter]) -> Self {
        self.parameters.extend_from_slice(parameters);
        self
    }

    fn failing(mut self, failures: &[Failure]) -> Self {
        self.failures.extend_from_slice(failures);
        self
    }

    fn without(mut self, failures: &[Failure]) -> Self {
        self.failures.retain(|failure| !failures.contains(failure));
        self
    }

    fn responding(mut self, status: u16, description: &str, content: &[(&str, Value)]) -> Self {
        let content: Map<String, Value> = content
            .iter()
            .map(|(media_type, schema)| {
                // Bytes have no schema.
                let media = if schema.is_null() { json!({}) } else { json!({ "schema": schema }) };
                ((*media_type).to_owned(), media)
            })
            .collect();
        self.responses.push((status, json!({ "description": description, "content": content })));
        self
    }
}

fn ingest(schemas: &mut Schemas) -> Operation {
    let report = schemas.request::<RawReport<'_>>();
    let schema = json!({
        "anyOf": [
            { "$ref": "/v1/beacon.schema.json" },
            report,
            { "type": "array", "maxItems": MAX_REPORTS, "items": report },
        ],
    });
    let body = json!({ "required": true, "content": { "text/plain": { "schema": schema } } });
    let stored = "Stored durably. The body is empty without `Prefer: return=representation`.";
    let operation = Operation::json::<IngestResponse>(schemas, stored);
    Operation { body: Some(body), ..operation }
        .with(&[p::REPORT_SITE, p::REPORT_PATH])
        .failing(&[400, 401, 403, 404, 413, 422].map(Failure::Problem))
        .failing(&[429, 503].map(Failure::RetryLater))
}

fn lines(schemas: &mut Schemas) -> Operation {
    let lines = schemas.response::<QueryResponse>();
    Operation::default()
        .with(FILTERS)
        .with(&[p::BY, p::METRIC, p::LIMIT, p::OFFSET, p::FORMAT])
        .responding(
            200,
            CONDITIONAL,
            &[("application/json", lines), ("text/csv", text()), ("application/octet-stream", Value::Null)],
        )
        .failing(READ_FAILURES)
}

fn live(schemas: &mut Schemas) -> Operation {
    let message = schemas.response::<LiveDelta>();
    let problem = schemas.response::<Problem<'_>>();
    Operation::default()
        .described("Nothing is sent while nobody visits. `ping` is answered with `pong`; any other message closes the socket. A browser passes its token as a subprotocol beside `edge-vitals.live.v1`.")
        .with(SITE)
        .with(&[p::LIVE_PROTOCOL])
        .responding(101, "The socket. Each message is one document.", &[("application/json", message)])
        .responding(
            426,
            "The request has no `Upgrade: websocket`.",
            &[("application/problem+json", problem.clone())],
        )
        .responding(
            429,
            "The site, or the client's network, has as many listeners as it may have; or the network tried too many tokens.",
            &[("application/problem+json", problem)],
        )
        .failing(SITE_FAILURES)
}

fn budget_report(schemas: &mut Schemas) -> Operation {
    Operation::json::<BudgetsResponse>(schemas, CONDITIONAL)
        .with(TIME_SPAN)
        .with(&[
            p::ROUTE,
            p::DEVICE,
            p::BOTS,
            p::RELEASE_ASKED,
            p::AGAINST,
            p::METRIC,
            p::CELL_SORT,
            p::CELL_LIMIT,
            p::OFFSET,
            p::LIMITS_PATH,
        ])
        .failing(READ_FAILURES)
}

fn cache_purge(schemas: &mut Schemas) -> Operation {
    let body = json!({
        "required": true,
        "content": { "application/json": { "schema": {
            "allOf": [schemas.request::<PurgeBody>()],
            "oneOf": [{ "required": ["url"] }, { "required": ["tag"] }, { "required": ["tags"] }, { "required": ["prefix"] }, { "required": ["all"] }],
        } } },
    });
    let operation = Operation::json::<PurgeResponse>(
        schemas,
        "The answering isolate applies the purge at once, all others within the lease.",
    );
    Operation { body: Some(body), ..operation }
        .failing(&[400].map(Failure::CacheProblem))
        .failing(&CACHE_FAILURES.map(Failure::CacheProblem))
}

fn cache_warm(schemas: &mut Schemas) -> Operation {
    let list = json!({ "type": "string", "description": "One address per line, or a sitemap." });
    let body = json!({ "content": { "text/plain": { "schema": list } } });
    let operation = Operation::json::<WarmResponse>(schemas, "The number of addresses by outcome.");
    Operation { body: Some(body), ..operation }
        .with(&[p::WARM_STRATEGY, p::WARM_MOST])
        .failing(&[400].map(Failure::CacheProblem))
        .failing(&CACHE_FAILURES.map(Failure::CacheProblem))
}

fn cache_value_store(schemas: &mut Schemas) -> Operation {
    let body = json!({ "required": true, "content": { ENVELOPE_TYPE: {} } });
    let operation = Operation::json::<ValueStored>(schemas, "The value is stored, unless it has expired.");
    Operation { body: Some(body), ..operation }
        .with(&[p::VALUE_KEY])
        .failing(&[400, 401, 405, 413, 429, 503].map(Failure::CacheProblem))
}

fn badge() -> Operation {
    Operation::default()
        .with(TIME_SPAN)
        .with(&[p::ROUTE, p::DEVICE, p::RELEASE, p::COUNTRY, p::BOTS, p::METRIC])
        .responding(200, "The badge.", &[("image/svg+xml", text())])
        .failing(READ_FAILURES)
}

fn liveness() -> Operation {
    let status = |value: &str| {
        json!({
            "type": "object",
            "properties": { "status": { "const": value } },
            "required": ["status"],
            "additionalProperties": false,
        })
    };
    Operation::default()
        .responding(200, "The configuration is valid.", &[("application/health+json", status("pass"))])
        .responding(
            503,
            "The configuration is invalid; the log names the place.",
            &[("application/health+json", status("fail"))],
        )
}

fn health(schemas: &mut Schemas) -> Operation {
    let (report, problem) = (schemas.response::<HealthReport>(), schemas.response::<Problem<'_>>());
    Operation::default()
        .with(SITE)
        .responding(200, "The site's health.", &[("application/health+json", report.clone())])
        .responding(
            503,
            "The site is unhealthy, or its health cannot be determined.",
            &[("application/health+json", report), ("application/problem+json", problem)],
        )
        .failing(&[
            Failure::NotModified,
            Failure::Problem(401),
            Failure::Problem(404),
            Failure::RetryLater(429),
        ])
}

fn audit(schemas: &mut Schemas) -> Operation {
    Operation::default()
        .with(&[p::AUDIT_SITE, p::AUDIT_BEFORE, p::AUDIT_LIMIT, p::AUDIT_FORMAT])
        .responding(
            200,
            "The calls, as a document, as a document on each line, or as a table.",
            &[
                ("application/json", schemas.response::<AuditReport>()),
                ("application/x-ndjson", text()),
                ("text/csv", text()),
            ],
        )
        .failing(&[Failure::Problem(400)])
        .failing(SITE_FAILURES)
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn json_body(schema: Value) -> Value {
    json!({ "content": { "application/json": { "schema": schema } } })
}

const CONDITIONAL: &str = "The document. `ETag` and `Cache-Control` state its freshness.";

const SITE: &[Parameter] = &[p::SITE];
const TIME_SPAN: &[Parameter] = &[p::SITE, p::FROM, p::TO, p::WINDOW];
const PERFORMANCE: &[Parameter] = &[p::SITE, p::FROM, p::TO, p::WINDOW, p::ROUTE, p::DEVICE, p::BOTS];
const FILTERS: &[Parameter] = &[
    p::SITE,
    p::FROM,
    p::TO,
    p::WINDOW,
    p::ROUTE,
    p::DEVICE,
    p::NAV,
    p::CACHE,
    p::NET,
    p::RELEASE,
    p::COUNTRY,
    p::BROWSER,
    p::BROWSER_FAMILY,
    p::OS,
    p::BOT,
    p::EVIDENCE,
    p::BOTS,
    p::NAVIGATIONS,
];

const SITE_FAILURES: &[Failure] =
    &[Failure::Problem(401), Failure::Problem(404), Failure::RetryLater(429), Failure::RetryLater(503)];
const READ_FAILURES: &[Failure] = &[
    Failure::NotModified,
    Failure::Problem(400),
    Failure::Problem(401),
    Failure::Problem(404),
    Failure::Problem(422),
    Failure::RetryLater(429),
    Failure::RetryLater(503),
];
const MANAGE_FAILURES: &[Failure] = &[
    Failure::Problem(400),
    Failure::Problem(401),
    Failure::Problem(404),
    Failure::Problem(413),
    Failure::Problem(422),
    Failure::RetryLater(429),
    Failure::RetryLater(503),
];
const OPERATOR_FAILURES: &[Failure] = &[
    Failure::Problem(400),
    Failure::Problem(401),
    Failure::Problem(409),
    Failure::Problem(413),
    Failure::Problem(422),
    Failure::RetryLater(429),
    Failure::RetryLater(503),
];
/// A value of an application's cache: `evv1`, the lengths of head and body, the head as JSON, and the body.
const ENVELOPE_TYPE: &str = "application/octet-stream";
const CACHE_FAILURES: [u16; 4] = [401, 405, 429, 503];
