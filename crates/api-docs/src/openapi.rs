//! The OpenAPI document.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use wire::Problem;
use wire::cache_admin::CacheProblem;
use wire::routes::{Access, Endpoint, Method, Right};

use crate::operation::{Failure, Operation};
use crate::parameter::Parameter;
use crate::schema::Schemas;

/// A JSON object that keeps the order of its members.
#[derive(Clone)]
struct Ordered(Vec<(String, Node)>);

#[derive(Clone)]
enum Node {
    Leaf(Value),
    Object(Ordered),
}

/// Returns the text of the document.
pub(crate) fn document(schemas: &mut Schemas) -> String {
    let mut paths: Vec<(String, Node)> = Vec::new();
    let mut parameters: BTreeMap<&str, Value> = BTreeMap::new();
    for endpoint in Endpoint::ALL.iter().copied() {
        let Some(method) = method(endpoint) else { continue };
        let operation = Operation::for_endpoint(endpoint, schemas);
        parameters.extend(operation.parameters.iter().map(|parameter| (parameter.id, parameter.schema())));
        let entry = (method.to_owned(), operation_node(endpoint, &operation));
        match paths.iter_mut().find(|(path, _)| path == endpoint.path()) {
            Some((_, Node::Object(Ordered(methods)))) => methods.push(entry),
            Some((_, Node::Leaf(_))) | None => {
                paths.push((endpoint.path().to_owned(), Node::Object(Ordered(vec![entry]))));
            }
        }
    }
    let responses = responses(schemas);
    let components = object([
        ("securitySchemes", leaf(security_schemes())),
        ("parameters", leaf(json!(parameters))),
        ("responses", leaf(responses)),
        ("schemas", leaf(Value::Object(schemas.definitions()))),
    ]);
    let document = object([
        ("openapi", leaf("3.1.0".into())),
        ("info", leaf(info())),
        ("paths", Node::Object(Ordered(paths))),
        ("components", components),
    ]);
    let mut text = String::new();
    document.write(&mut text, 0);
    text.push('\n');
    text
}

fn info() -> Value {
    json!({
        "title": "edge-vitals",
        "version": "1",
        "description": "Real-user performance judged against budgets. Times are in milliseconds, layout shifts are unitless. Percentiles are within 1.6 %; counts and shares are exact.",
        "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
    })
}

/// The method under which a path lists an endpoint; a preflight is no operation of the API.
const fn method(endpoint: Endpoint) -> Option<&'static str> {
    match endpoint.method() {
        Method::Read | Method::Get => Some("get"),
        Method::Post => Some("post"),
        Method::Put => Some("put"),
        Method::Delete => Some("delete"),
        Method::Options => None,
    }
}

fn operation_node(endpoint: Endpoint, operation: &Operation) -> Node {
    let mut members = vec![("summary", leaf(endpoint.summary().into()))];
    if let Some(description) = operation.description {
        members.push(("description", leaf(description.into())));
    }
    if !operation.parameters.is_empty() {
        members.push(("parameters", leaf(operation.parameters.iter().map(Parameter::reference).collect())));
    }
    if let Some(body) = &operation.body {
        members.push(("requestBody", leaf(body.clone())));
    }
    if let Some(security) = security(endpoint.access()) {
        members.push(("security", leaf(security)));
    }
    let mut responses: BTreeMap<u16, Value> = operation.responses.iter().cloned().collect();
    for failure in &operation.failures {
        responses.entry(failure.status()).or_insert_with(|| failure.reference());
    }
    let responses = responses.into_iter().map(|(status, value)| (status.to_string(), leaf(value))).collect();
    members.push(("responses", Node::Object(Ordered(responses))));
    object(members)
}

/// The tokens that admit a caller: each right that includes the required one.
fn security(access: Access) -> Option<Value> {
    let required = access.required_right()?;
    let admitted = Right::ALL.into_iter().filter(|right| right.includes(required));
    let mut schemes: Vec<Value> = admitted.map(|right| json!({ (scheme_name(right)): [] })).collect();
    if access == Access::SiteReader {
        schemes.insert(0, json!({}));
    }
    Some(schemes.into())
}

const fn scheme_name(right: Right) -> &'static str {
    match right {
        Right::Read => "readToken",
        Right::Manage => "manageToken",
        Right::Cache => "cacheToken",
        Right::Lab => "labToken",
        Right::IngestReport => "reportToken",
    }
}

fn security_schemes() -> Value {
    let scheme = |right: Right| {
        let scoped = format!("a token of ACCESS_TOKENS that has the right `{}` for the site", right.name());
        let description = match right {
            Right::Read => {
                format!("The secret READ_TOKEN, or {scoped}. Required where the site is not public.")
            }
            Right::Manage => {
                format!("The secret MANAGE_TOKEN, or {scoped}. It includes the rights `read` and `lab`.")
            }
            Right::Cache => {
                "The secret CACHE_TOKEN, or a token for all sites that has the right `cache`.".into()
            }
            Right::Lab | Right::IngestReport => format!("A{}.", scoped.get(1..).unwrap_or_default()),
        };
        (
            scheme_name(right).to_owned(),
            json!({ "type": "http", "scheme": "bearer", "description": description }),
        )
    };
    Value::Object(Right::ALL.into_iter().map(scheme).collect())
}

fn responses(schemas: &mut Schemas) -> Value {
    let problem = schemas.response::<Problem<'_>>();
    let cache_problem = schemas.response::<CacheProblem>();
    let problem_content = json!({ "application/problem+json": { "schema": problem } });
    json!({
        "NotModified": { "description": "The `ETag` in `If-None-Match` is current." },
        "Problem": { "description": "A problem document (RFC 9457).", "content": problem_content },
        "RetryLater": {
            "description": "A problem document (RFC 9457). Retry after the given seconds.",
            "content": problem_content,
            "headers": { "Retry-After": { "schema": { "type": "integer", "minimum": 0 } } },
        },
        "CacheProblem": {
            "description": "A problem document (RFC 9457).",
            "content": {
                "application/problem+json": { "schema": cache_problem },
                "application/json": { "schema": cache_problem },
            },
        },
    })
}

impl Failure {
    const fn status(self) -> u16 {
        match self {
            Self::NotModified => 304,
            Self::Problem(status) | Self::RetryLater(status) | Self::CacheProblem(status) => status,
        }
    }

    fn reference(self) -> Value {
        let name = match self {
            Self::NotModified => "NotModified",
            Self::Problem(_) => "Problem",
            Self::RetryLater(_) => "RetryLater",
            Self::CacheProblem(_) => "CacheProblem",
        };
        json!({ "$ref": format!("#/components/responses/{name}") })
    }
}

const fn leaf(value: Value) -> Node {
    Node::Leaf(value)
}

fn object<'a>(members: impl IntoIterator<Item = (&'a str, Node)>) -> Node {
    Node::Object(Ordered(members.into_iter().map(|(name, node)| (name.to_owned(), node)).collect()))
}

impl Node {
    /// Writes the node over as few lines as fit.
    fn write(&self, text: &mut String, indent: usize) {
        let line = self.line();
        if indent + line.len() <= MAX_LINE {
            return text.push_str(&line);
        }
        match self {
            Self::Leaf(Value::Array(items)) => {
                let items = items.iter().map(|item| (String::new(), Self::Leaf(item.clone())));
                write_block(text, indent, ['[', ']'], items);
            }
            Self::Leaf(Value::Object(members)) => {
                let members = members
                    .iter()
                    .map(|(name, value)| (format!("{}: ", json!(name)), Self::Leaf(value.clone())));
                write_block(text, indent, ['{', '}'], members);
            }
            Self::Leaf(_) => text.push_str(&line),
            Self::Object(Ordered(members)) => {
                let members = members.iter().map(|(name, node)| (format!("{}: ", json!(name)), node.clone()));
                write_block(text, indent, ['{', '}'], members);
            }
        }
    }

    /// Returns the node on one line.
    fn line(&self) -> String {
        match self {
            Self::Leaf(Value::Array(items)) => {
                let items: Vec<String> = items.iter().map(|item| Self::Leaf(item.clone()).line()).collect();
                format!("[{}]", items.join(", "))
            }
            Self::Leaf(Value::Object(members)) => {
                let members: Vec<String> = members
                    .iter()
                    .map(|(name, value)| format!("{}: {}", json!(name), Self::Leaf(value.clone()).line()))
                    .collect();
                format!("{{{}}}", members.join(", "))
            }
            Self::Leaf(value) => value.to_string(),
            Self::Object(Ordered(members)) => {
                let members: Vec<String> =
                    members.iter().map(|(name, node)| format!("{}: {}", json!(name), node.line())).collect();
                format!("{{{}}}", members.join(", "))
            }
        }
    }
}

fn write_block(
    text: &mut String,
    indent: usize,
    [open, close]: [char; 2],
    members: impl Iterator<Item = (String, Node)>,
) {
    text.push(open);
    for (index, (name, node)) in members.enumerate() {
        let comma = if index == 0 { "\n" } else { ",\n" };
        text.push_str(&format!("{comma}{:1$}{name}", "", indent + 2));
        node.write(text, indent + 2);
    }
    text.push_str(&format!("\n{:1$}{close}", "", indent));
}

const MAX_LINE: usize = 120;
