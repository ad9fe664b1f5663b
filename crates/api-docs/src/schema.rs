//! The JSON Schemas of the documents, as schemars derives them from the Rust types, with the value lists of
//! fields that are plain strings in Rust.

use budget::Verdict;
use schemars::JsonSchema;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};
use wire::Metric;
use wire::beacon::LossReason;

/// The schemas of requests and responses. A field with a default is optional in a request and always
/// present in a response.
#[derive(Debug)]
pub(crate) struct Schemas {
    responses: SchemaGenerator,
    requests: SchemaGenerator,
}

impl Schemas {
    pub(crate) fn new() -> Self {
        let settings = || {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = "/components/schemas".into();
                settings.meta_schema = None;
            })
        };
        Self {
            responses: settings().for_serialize().into_generator(),
            requests: settings().for_deserialize().into_generator(),
        }
    }

    /// Returns a reference to the schema of a response and adds it to the definitions.
    pub(crate) fn response<T: JsonSchema>(&mut self) -> Value {
        reference(self.responses.subschema_for::<T>().into())
    }

    /// Returns a reference to the schema of a request and adds it to the definitions.
    pub(crate) fn request<T: JsonSchema>(&mut self) -> Value {
        reference(self.requests.subschema_for::<T>().into())
    }

    /// Returns every schema that was referred to, by name.
    pub(crate) fn definitions(&self) -> Map<String, Value> {
        let mut all = Map::new();
        for (name, mut schema) in self.requests.definitions().clone() {
            refine(&name, &mut schema, false);
            all.insert(component_name(&name).to_owned(), schema);
        }
        for (name, mut schema) in self.responses.definitions().clone() {
            refine(&name, &mut schema, true);
            all.insert(component_name(&name).to_owned(), schema);
        }
        all
    }
}

/// The name of a type in the served document. A few were published before the types were renamed.
fn component_name(name: &str) -> &str {
    PUBLISHED_NAMES.iter().find(|(own, _)| *own == name).map_or(name, |(_, published)| published)
}

fn reference(mut schema: Value) -> Value {
    rename_references(&mut schema);
    schema
}

fn rename_references(schema: &mut Value) {
    let Some(Value::String(target)) = schema.get_mut("$ref") else { return };
    if let Some((path, name)) = target.rsplit_once('/') {
        *target = format!("{path}/{}", component_name(name));
    }
}

/// Makes a derived schema as strict as the documents are.
fn refine(name: &str, schema: &mut Value, is_closed: bool) {
    rename_references(schema);
    match schema {
        Value::Array(items) => items.iter_mut().for_each(|item| refine(name, item, is_closed)),
        Value::Object(fields) => {
            drop_noise(fields);
            let required = fields.get("required").cloned().unwrap_or_default();
            if let Some(Value::Object(properties)) = fields.get_mut("properties") {
                for (field, property) in properties.iter_mut() {
                    let is_required = required.as_array().is_some_and(|all| all.contains(&json!(field)));
                    if is_closed && !is_required {
                        drop_null(property);
                    }
                    constrain(name, field, property);
                }
                if is_closed && !fields.contains_key("additionalProperties") {
                    fields.insert("additionalProperties".into(), false.into());
                }
            }
            fields.values_mut().for_each(|value| refine(name, value, is_closed));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Removes what says nothing to a reader: schemars' own formats, the ranges of Rust's integers, line breaks.
fn drop_noise(fields: &mut Map<String, Value>) {
    // A property may be called `title`; only a keyword is a string.
    for keyword in ["format", "title"] {
        if fields.get(keyword).is_some_and(Value::is_string) {
            fields.remove(keyword);
        }
    }
    fields.remove("unevaluatedProperties");
    if [u8::MAX.into(), u16::MAX.into()]
        .map(Value::from as fn(u64) -> Value)
        .contains(fields.get("maximum").unwrap_or(&Value::Null))
    {
        fields.remove("maximum");
    }
    if let Some(Value::String(text)) = fields.get_mut("description") {
        *text = text.replace('\n', " ");
    }
}

/// A field that is left out where it has no value is never null.
fn drop_null(property: &mut Value) {
    let Some(fields) = property.as_object_mut() else { return };
    if let Some(Value::Array(types)) = fields.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            fields.insert("type".into(), only);
        }
    }
    let null = json!({ "type": "null" });
    if let Some(Value::Array(members)) = fields.get_mut("anyOf") {
        members.retain(|member| *member != null);
        if let [only] = members.as_slice() {
            let only = only.clone();
            fields.remove("anyOf");
            fields.extend(only.as_object().cloned().unwrap_or_default());
        }
    }
}

/// Adds the possible values of a field.
fn constrain(schema_name: &str, field: &str, property: &mut Value) {
    let Some(fields) = property.as_object_mut() else { return };
    if field == "v" {
        fields.retain(|key, _| key == "description");
        fields.insert("const".into(), 1.into());
        return;
    }
    let kind = fields.get("type").cloned().unwrap_or_default();
    let types: Vec<&str> = match &kind {
        Value::String(one) => vec![one.as_str()],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    };
    if types.contains(&"string")
        && let Some(mut values) = string_values(schema_name, field)
    {
        if types.contains(&"null") {
            values.push(Value::Null);
        }
        fields.insert("enum".into(), values.into());
    }
    if types.contains(&"object")
        && let Some(names) = key_names(field)
    {
        fields.insert("propertyNames".into(), json!({ "enum": names }));
    }
    if types.contains(&"number")
        && let Some((_, max)) = NUMBER_RANGES.iter().find(|(known, _)| *known == field)
    {
        fields.insert("minimum".into(), json!(0));
        fields.insert("maximum".into(), json!(max));
    }
}

fn string_values(schema_name: &str, field: &str) -> Option<Vec<Value>> {
    let metrics = || Metric::ALL.map(|metric| metric.name().into()).to_vec();
    let verdicts = || VERDICTS.map(|verdict| Value::from(verdict.name())).to_vec();
    match (schema_name, field) {
        (_, "metric") => Some(metrics()),
        ("SummaryCell" | "WindowCell", "verdict") => {
            Some([Value::from("none")].into_iter().chain(verdicts()).collect())
        }
        (_, "verdict") => Some(verdicts()),
        _ => STRING_VALUES
            .iter()
            .find(|(schema, known, _)| (schema.is_empty() || *schema == schema_name) && *known == field)
            .map(|(_, _, values)| values.iter().map(|value| Value::from(*value)).collect()),
    }
}

/// The keys of a field that is a map.
fn key_names(field: &str) -> Option<Vec<&'static str>> {
    match field {
        "lost" => Some(LossReason::ALL.iter().map(|reason| reason.name()).collect()),
        "limits" | "metrics" | "trends" | "vitals" | "within" => Some(Metric::ALL.map(Metric::name).to_vec()),
        "medians" => Some(vec!["FCP", "LCP", "CLS", "TBT", "SI"]),
        "verdicts" => Some(VERDICTS.map(Verdict::name).to_vec()),
        _ => None,
    }
}

const VERDICTS: [Verdict; 5] =
    [Verdict::Unknown, Verdict::Insufficient, Verdict::Met, Verdict::AtLimit, Verdict::Violated];

const PUBLISHED_NAMES: &[(&str, &str)] = &[
    ("LabReport", "Lab"),
    ("BudgetReport", "Standing"),
    ("IngestResponse", "Taken"),
    ("RawReport", "Report"),
];

/// The values of string fields: schema (empty for any), field, values.
const STRING_VALUES: &[(&str, &str, &[&str])] = &[
    ("AdviceEvidence", "unit", &["%", "s", "ms", ""]),
    ("", "unit", &["ms", ""]),
    ("", "severity", &["error", "warn"]),
    ("", "source", &["asset", "kv"]),
    ("", "asks", &["ticket", "page"]),
    ("", "circuit", &["closed", "open", "probing"]),
    ("", "monitoring", &["on", "stopped"]),
    ("", "class", &["short", "medium", "long", "very_long"]),
    ("", "span", &["minute", "hour", "day"]),
    ("", "answer", &["pass", "violated", "insufficient"]),
    ("CacheExplanation", "does", &["serve", "serve-then-ask", "fetch", "pass", "refuse"]),
    ("HealthReport", "status", &["pass", "warn", "fail"]),
    ("HealthReport", "version", &["1"]),
    ("HealthPartSummary", "name", &["vitals", "requests", "origin", "cache", "freshness"]),
    ("LabComparison", "outcome", &["kept", "broken", "not-measured", "not-asserted"]),
];

/// The largest values of shares and probabilities, which are never negative.
const NUMBER_RANGES: &[(&str, u32)] =
    &[("good", 1), ("needs_improvement", 1), ("poor", 1), ("p_value", 1), ("weight", 1), ("error_rate", 100)];
