//! TypeScript declarations of JSON Schemas.

use serde_json::{Map, Value};

/// Returns a module that declares every schema.
pub(crate) fn module(definitions: &Map<String, Value>) -> String {
    let mut text = String::from(
        "// Generated from the Rust types by `UPDATE_GENERATED=1 cargo test -p api-docs`. Do not edit.\n",
    );
    for (name, schema) in definitions {
        text.push('\n');
        text.push_str(&comment(schema, ""));
        if schema.get("properties").is_some() && schema.get("anyOf").is_none() {
            text.push_str(&format!("export interface {name} {}\n", object(schema, "")));
        } else {
            text.push_str(&format!("export type {name} = {};\n", type_of(schema, "")));
        }
    }
    text
}

fn comment(schema: &Value, indent: &str) -> String {
    match schema.get("description").and_then(Value::as_str) {
        Some(text) => format!("{indent}/** {} */\n", text.replace('\n', " ")),
        None => String::new(),
    }
}

/// The type of a schema; `indent` is that of the line it begins in.
fn type_of(schema: &Value, indent: &str) -> String {
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        return target.rsplit('/').next().unwrap_or(target).to_owned();
    }
    if let Some(value) = schema.get("const") {
        return value.to_string();
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return union(values.iter().map(Value::to_string).collect());
    }
    for key in ["oneOf", "anyOf", "allOf"] {
        if let Some(members) = schema.get(key).and_then(Value::as_array) {
            return union(members.iter().map(|member| type_of(member, indent)).collect());
        }
    }
    match schema.get("type") {
        Some(Value::String(name)) => named_type(name, schema, indent),
        Some(Value::Array(names)) => {
            let names = names.iter().filter_map(Value::as_str);
            union(names.map(|name| named_type(name, schema, indent)).collect())
        }
        _ => "unknown".to_owned(),
    }
}

fn named_type(name: &str, schema: &Value, indent: &str) -> String {
    match name {
        "integer" | "number" => "number".to_owned(),
        "array" => array(schema, indent),
        "object" => object(schema, indent),
        "string" | "boolean" | "null" => name.to_owned(),
        _ => "unknown".to_owned(),
    }
}

fn array(schema: &Value, indent: &str) -> String {
    if let Some(items) = schema.get("prefixItems").and_then(Value::as_array) {
        let items: Vec<String> = items.iter().map(|item| type_of(item, indent)).collect();
        return format!("[{}]", items.join(", "));
    }
    let item = schema.get("items").map_or_else(|| "unknown".to_owned(), |item| type_of(item, indent));
    match (schema.get("minItems").and_then(Value::as_u64), schema.get("maxItems").and_then(Value::as_u64)) {
        (Some(min), Some(max)) if min == max && max <= 4 => {
            format!("[{}]", vec![item; usize::try_from(max).unwrap_or_default()].join(", "))
        }
        _ if item.contains(" | ") => format!("({item})[]"),
        _ => format!("{item}[]"),
    }
}

fn object(schema: &Value, indent: &str) -> String {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return match schema.get("additionalProperties") {
            Some(values @ Value::Object(_)) => format!("Record<string, {}>", type_of(values, indent)),
            _ => "Record<string, unknown>".to_owned(),
        };
    };
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    // Required fields in the order of the Rust type; schemars sorts the others by name.
    let optional = properties.keys().map(String::as_str).filter(|name| !required.contains(name));
    let inner = format!("{indent}  ");
    let mut text = String::from("{\n");
    for name in required.iter().copied().chain(optional) {
        let Some(property) = properties.get(name) else { continue };
        let mark = if required.contains(&name) { "" } else { "?" };
        text.push_str(&comment(property, &inner));
        text.push_str(&format!("{inner}{name}{mark}: {};\n", type_of(property, &inner)));
    }
    text.push_str(indent);
    text.push('}');
    text
}

fn union(mut members: Vec<String>) -> String {
    members.dedup();
    members.join(" | ")
}
