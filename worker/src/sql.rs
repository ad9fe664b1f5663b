//! Values of SQLite, and the table of facts: named JSON values of an object.

use serde::Serialize;
use serde::de::DeserializeOwned;
use worker::{Error, Result, SqlStorage, SqlStorageValue};

/// Reads a fact: a named value of the object.
pub(crate) fn load_fact<T: DeserializeOwned>(sql: &SqlStorage, name: &str) -> Result<Option<T>> {
    Ok(load_fact_text(sql, name)?.map(|text| serde_json::from_str(&text)).transpose()?)
}

/// Reads the JSON text of a fact.
pub(crate) fn load_fact_text(sql: &SqlStorage, name: &str) -> Result<Option<String>> {
    let row = sql.exec("SELECT value FROM facts WHERE name = ?", vec![name.into()])?.raw().next();
    Ok(match row.transpose()?.as_deref() {
        Some([SqlStorageValue::String(text)]) => Some(text.clone()),
        _ => None,
    })
}

/// Stores a fact, unless it is the same already.
pub(crate) fn store_fact(sql: &SqlStorage, name: &str, value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string(value).map_err(Error::from)?;
    // A read is cheaper than a write.
    if load_fact_text(sql, name)?.as_ref() == Some(&text) {
        return Ok(());
    }
    let statement = "INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)";
    sql.exec(statement, vec![name.into(), text.into()]).map(drop)
}

pub(crate) fn to_sql_integer(value: u64) -> SqlStorageValue {
    SqlStorageValue::Integer(i64::try_from(value).unwrap_or(i64::MAX))
}

pub(crate) fn from_sql_integer(value: &SqlStorageValue) -> Option<u64> {
    match value {
        SqlStorageValue::Integer(value) => u64::try_from(*value).ok(),
        _ => None,
    }
}

/// Returns the integer in the first column of the first row; 0 without one.
pub(crate) fn query_integer(sql: &SqlStorage, query: &str, values: Vec<SqlStorageValue>) -> Result<u64> {
    let row = sql.exec(query, values)?.raw().next().transpose()?;
    Ok(row.as_deref().and_then(|row| from_sql_integer(row.first()?)).unwrap_or_default())
}

/// The error for a row that this version cannot read.
pub(crate) fn unsupported_row(table: &str) -> Error {
    Error::RustError(format!(
        "unsupported row in table {table}; deploy the version that wrote it, or a later one"
    ))
}
