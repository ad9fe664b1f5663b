//! The parameters of the API. Each is a component of the OpenAPI document, named by its `id`.

use serde_json::{Map, Value, json};
use wire::{Device, Metric};

/// A query parameter or a request header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parameter {
    pub(crate) id: &'static str,
    name: &'static str,
    place: ParameterLocation,
    need: Need,
    description: &'static str,
    values: ParameterType,
}

#[derive(Clone, Copy, Debug)]
enum ParameterLocation {
    Path,
    Query,
    Header,
}

#[derive(Clone, Copy, Debug)]
enum Need {
    Optional,
    Required,
    Deprecated,
}

/// The values that a parameter may have.
#[derive(Clone, Copy, Debug)]
enum ParameterType {
    Text,
    TextList,
    Pattern(&'static str),
    /// Milliseconds since the Unix epoch.
    Time,
    Device,
    Metric,
    OneOf {
        values: &'static [&'static str],
        default: Option<&'static str>,
    },
    Integer {
        min: u64,
        max: Option<u64>,
        default: Option<u64>,
    },
}

impl Parameter {
    /// Returns the reference to the component.
    pub(crate) fn reference(&self) -> Value {
        json!({ "$ref": format!("#/components/parameters/{}", self.id) })
    }

    /// Returns the component.
    pub(crate) fn schema(&self) -> Value {
        let place = match self.place {
            ParameterLocation::Path => "path",
            ParameterLocation::Query => "query",
            ParameterLocation::Header => "header",
        };
        let mut component = object(json!({
            "name": self.name,
            "in": place,
            "description": self.description,
            "schema": self.values.schema(),
        }));
        match self.need {
            Need::Optional => {}
            Need::Required => {
                component.insert("required".into(), true.into());
            }
            Need::Deprecated => {
                component.insert("deprecated".into(), true.into());
            }
        }
        component.into()
    }
}

/// The members of an object literal.
fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}

impl ParameterType {
    fn schema(self) -> Value {
        let mut schema = object(match self {
            Self::Text => json!({ "type": "string" }),
            Self::TextList => json!({ "type": "array", "items": { "type": "string" } }),
            Self::Pattern(pattern) => json!({ "type": "string", "pattern": pattern }),
            Self::Time => json!({
                "type": "integer", "minimum": 0, "description": "Milliseconds since the Unix epoch.",
            }),
            Self::Device => json!({ "enum": Device::ALL.map(Device::name) }),
            Self::Metric => json!({ "enum": Metric::ALL.map(Metric::name) }),
            Self::OneOf { values, default: _ } => json!({ "enum": values }),
            Self::Integer { min, max: _, default: _ } => json!({ "type": "integer", "minimum": min }),
        });
        let (max, default) = match self {
            Self::Integer { max, default, .. } => (max.map(Value::from), default.map(Value::from)),
            Self::OneOf { default, .. } => (None, default.map(Value::from)),
            Self::Text | Self::TextList | Self::Pattern(_) | Self::Time | Self::Device | Self::Metric => {
                (None, None)
            }
        };
        schema.extend(max.map(|max| ("maximum".to_owned(), max)));
        schema.extend(default.map(|default| ("default".to_owned(), default)));
        schema.into()
    }
}

const fn query(
    id: &'static str,
    name: &'static str,
    values: ParameterType,
    description: &'static str,
) -> Parameter {
    Parameter { id, name, place: ParameterLocation::Query, need: Need::Optional, description, values }
}

pub(crate) const SITE: Parameter =
    query("site", "site", ParameterType::Text, "The site; the first one by name where it is left out.");
pub(crate) const SITE_IN_PATH: Parameter = Parameter {
    place: ParameterLocation::Path,
    need: Need::Required,
    ..query("siteInPath", "site", ParameterType::Pattern("^[A-Za-z0-9._-]{1,64}$"), "The name of the site.")
};
pub(crate) const SHARD: Parameter = query(
    "shard",
    "shard",
    ParameterType::Integer { min: 0, max: Some(255), default: Some(0) },
    "The number of the shard.",
);
pub(crate) const BACKUP_AFTER: Parameter =
    query("backupAfter", "after", ParameterType::Text, "The `next` of the page before, in JSON.");
pub(crate) const TOKEN_NAME: Parameter = Parameter {
    need: Need::Required,
    ..query("tokenName", "name", ParameterType::Text, "The holder of the tokens.")
};
pub(crate) const TOKEN_OLDEST: Parameter =
    query("tokenOldest", "oldest", ParameterType::Text, "Given: only the token that expires first.");
pub(crate) const FROM: Parameter = query(
    "from",
    "from",
    ParameterType::Time,
    "The start of the time span; a day before `to` where it is left out.",
);
pub(crate) const TO: Parameter =
    query("to", "to", ParameterType::Time, "The end of the time span, exclusive; now where it is left out.");
pub(crate) const ROUTE: Parameter = query("route", "route", ParameterType::Text, "Only this route template.");
pub(crate) const DEVICE: Parameter =
    query("device", "device", ParameterType::Device, "Only this device class.");
pub(crate) const NAV: Parameter = query("nav", "nav", ParameterType::Text, "Only this navigation type.");
pub(crate) const CACHE: Parameter = query("cache", "cache", ParameterType::Text, "Only this cache status.");
pub(crate) const NET: Parameter =
    query("net", "net", ParameterType::Text, "Only this effective connection type.");
pub(crate) const RELEASE: Parameter = query("release", "release", ParameterType::Text, "Only this release.");
pub(crate) const COUNTRY: Parameter = query(
    "country",
    "country",
    ParameterType::Pattern("^[A-Z]{2}$"),
    "Only this country, for a site that records countries.",
);
pub(crate) const BROWSER: Parameter = query(
    "browser",
    "browser",
    ParameterType::Text,
    "Only this browser with its major version: `Chrome 156`.",
);
pub(crate) const BROWSER_FAMILY: Parameter =
    query("browser_family", "browser_family", ParameterType::Text, "Only this browser family: `Chrome`.");
pub(crate) const OS: Parameter =
    query("os", "os", ParameterType::Text, "Only this operating system: `Android`.");
pub(crate) const BOT: Parameter = query(
    "bot",
    "bot",
    ParameterType::OneOf { values: &["yes", "no"], default: None },
    "Only automated browsers (`yes`) or people (`no`), among those that `bots` admits.",
);
pub(crate) const EVIDENCE: Parameter = query(
    "evidence",
    "evidence",
    ParameterType::OneOf { values: &["unverified"], default: None },
    "Only views without the evidence of a page that their site requires, which are left out otherwise.",
);
pub(crate) const BOTS: Parameter = query(
    "bots",
    "bots",
    ParameterType::OneOf { values: &["exclude", "include", "only"], default: Some("exclude") },
    "Exclude, include or select automated browsers.",
);
pub(crate) const NAVIGATIONS: Parameter = query(
    "navigations",
    "navigations",
    ParameterType::OneOf { values: &["hard", "soft", "all"], default: Some("hard") },
    "Loads and restores of documents alone (`hard`), navigations within them alone (`soft`), or both (`all`). A query that filters or groups by `nav` includes every type.",
);
pub(crate) const BY: Parameter = query(
    "by",
    "by",
    ParameterType::Text,
    "Up to four comma-separated dimensions to group by: route, device, nav, cache, net, release, country, browser, browser_family, os, bot, evidence, dim.<name>. Each of them, `dim.<name>` too, is also a filter.",
);
pub(crate) const METRIC: Parameter = query("metric", "metric", ParameterType::Metric, "Only this metric.");
pub(crate) const LIMIT: Parameter = query(
    "limit",
    "limit",
    ParameterType::Integer { min: 1, max: Some(5000), default: Some(1000) },
    "The maximum number of lines.",
);
pub(crate) const OFFSET: Parameter = query(
    "offset",
    "offset",
    ParameterType::Integer { min: 0, max: None, default: Some(0) },
    "The first line, as `next` returns it.",
);
pub(crate) const FORMAT: Parameter = query(
    "format",
    "format",
    ParameterType::OneOf { values: &["json", "csv", "sketch"], default: Some("json") },
    "The representation. `sketch` returns the encoded sketch of a query with a single result.",
);
pub(crate) const AUDIT_SITE: Parameter = query(
    "auditSite",
    "site",
    ParameterType::Text,
    "The name of the site; `*` for calls of the cache. Without it, the first configured site.",
);
pub(crate) const AUDIT_BEFORE: Parameter = query(
    "auditBefore",
    "before",
    ParameterType::Integer { min: 0, max: None, default: None },
    "Only calls with lower numbers: the `next` of the page before.",
);
pub(crate) const AUDIT_LIMIT: Parameter = query(
    "auditLimit",
    "limit",
    ParameterType::Integer { min: 1, max: Some(1000), default: Some(100) },
    "The maximum number of calls.",
);
pub(crate) const AUDIT_FORMAT: Parameter = query(
    "auditFormat",
    "format",
    ParameterType::OneOf { values: &["json", "ndjson", "csv"], default: Some("json") },
    "The representation.",
);
pub(crate) const STEP: Parameter = query(
    "step",
    "step",
    ParameterType::OneOf { values: &["minute", "hour", "day"], default: Some("hour") },
    "The length of one group.",
);
pub(crate) const A_RELEASE: Parameter = query(
    "aRelease",
    "a.release",
    ParameterType::Text,
    "The earlier release. Each filter, `from` and `to` can be given with `a.` or `b.` for one side.",
);
pub(crate) const B_RELEASE: Parameter =
    query("bRelease", "b.release", ParameterType::Text, "The release to compare with it.");
pub(crate) const A_FROM: Parameter =
    query("aFrom", "a.from", ParameterType::Time, "The start of the earlier time span.");
pub(crate) const A_TO: Parameter =
    query("aTo", "a.to", ParameterType::Time, "The end of the earlier time span, exclusive.");
pub(crate) const B_FROM: Parameter =
    query("bFrom", "b.from", ParameterType::Time, "The start of the compared time span.");
pub(crate) const B_TO: Parameter =
    query("bTo", "b.to", ParameterType::Time, "The end of the compared time span, exclusive.");
pub(crate) const WINDOW: Parameter = query(
    "window",
    "window",
    ParameterType::Pattern("^[1-9][0-9]{0,3}[mhd]$"),
    "The length of the time span before `to`, such as `30m`, `24h` or `28d`, instead of `from`. A span of seven days or more starts with a UTC day.",
);
pub(crate) const AGAINST: Parameter =
    query("against", "against", ParameterType::Text, "The earlier release to compare `release` with.");
pub(crate) const RELEASE_ASKED: Parameter = query(
    "releaseAsked",
    "release",
    ParameterType::Text,
    "Only views of this release. Sequential tests and burn rates always cover all releases.",
);
pub(crate) const LIMITS_PATH: Parameter = Parameter {
    need: Need::Deprecated,
    ..query(
        "limitsPath",
        "path",
        ParameterType::Text,
        "Return the limits of this path alone. Use `/api/budgets/limits` instead.",
    )
};
pub(crate) const REPORT_SITE: Parameter = query(
    "reportSite",
    "site",
    ParameterType::Text,
    "The site of web-vitals metrics. A beacon names its own site.",
);
pub(crate) const REPORT_PATH: Parameter =
    query("reportPath", "path", ParameterType::Text, "The path of web-vitals metrics that name none.");
pub(crate) const LIVE_PROTOCOL: Parameter = Parameter {
    place: ParameterLocation::Header,
    ..query(
        "liveProtocol",
        "Sec-WebSocket-Protocol",
        ParameterType::Text,
        "`edge-vitals.live.v1`, and for a private site `token.` followed by the token in hexadecimal.",
    )
};
pub(crate) const PATH: Parameter =
    query("path", "path", ParameterType::Text, "The path or route template; `/` where it is left out.");
pub(crate) const CELL_SORT: Parameter = query(
    "cellSort",
    "sort",
    ParameterType::OneOf { values: &["file", "trouble"], default: Some("file") },
    "The order of the cells: as in budgets.json, or by urgency (cells of the whole site, then violated, at-limit or alarming ones).",
);
pub(crate) const CELL_LIMIT: Parameter = query(
    "cellLimit",
    "limit",
    ParameterType::Integer { min: 1, max: Some(5000), default: None },
    "The maximum number of cells; all where it is left out. Regressions and scores then cover the site and the routes of these cells.",
);
pub(crate) const WARM_STRATEGY: Parameter = query(
    "warmStrategy",
    "strategy",
    ParameterType::OneOf { values: &["listed", "popular", "predicted"], default: Some("listed") },
    "The addresses to fetch. `listed`: those in the body. `popular`: those that are requested often in this isolate and expire soon. `predicted`: the likely successors of the pages in view.",
);
pub(crate) const WARM_MOST: Parameter = query(
    "warmMost",
    "most",
    ParameterType::Integer { min: 1, max: Some(1000), default: Some(100) },
    "The maximum number of requests to the origins.",
);
pub(crate) const EXPLAIN_URL: Parameter =
    Parameter { need: Need::Required, ..query("explainUrl", "url", ParameterType::Text, "The address.") };
pub(crate) const VALUE_KEY: Parameter = Parameter {
    need: Need::Required,
    ..query("valueKey", "key", ParameterType::Pattern("^[0-9a-f]{64}$"), "The key: a SHA-256.")
};
pub(crate) const VALUE_TAG: Parameter = query(
    "valueTag",
    "tag",
    ParameterType::TextList,
    "A tag of the reader, such as that of a path, whose purges void the value, too. Repeatable.",
);
pub(crate) const PURGES_SINCE: Parameter = query(
    "purgesSince",
    "since",
    ParameterType::Integer { min: 0, max: None, default: Some(0) },
    "The sequence number after which to list purges.",
);
pub(crate) const EXPLAIN_HEADER: Parameter = query(
    "explainHeader",
    "header",
    ParameterType::TextList,
    "A request header such as `accept:text/html`, instead of the one that a current browser sends. Repeatable.",
);
