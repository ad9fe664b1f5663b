//! The values of a row. A blob is written in hexadecimal digits, since JSON has no bytes.

use core::fmt;

use serde::de::{Error, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A value of SQLite.
#[derive(Clone, Debug, PartialEq)]
pub enum SqlValue {
    /// No value.
    Null,
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Real(f64),
    /// A text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

impl Serialize for SqlValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Integer(number) => serializer.serialize_i64(*number),
            Self::Real(number) => serializer.serialize_f64(*number),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Blob(bytes) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry(BLOB, &wire::hex::encode(bytes))?;
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for SqlValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

// Derived code for an enum without tags weighs several times as much.
struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = SqlValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of a row")
    }

    fn visit_unit<E>(self) -> Result<SqlValue, E> {
        Ok(SqlValue::Null)
    }

    fn visit_i64<E>(self, number: i64) -> Result<SqlValue, E> {
        Ok(SqlValue::Integer(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<SqlValue, E> {
        i64::try_from(number).map(SqlValue::Integer).map_err(|_| E::custom("not a number of SQLite"))
    }

    fn visit_f64<E>(self, number: f64) -> Result<SqlValue, E> {
        Ok(SqlValue::Real(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<SqlValue, E> {
        Ok(SqlValue::Text(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SqlValue, A::Error> {
        let entry: Option<(String, String)> = map.next_entry()?;
        let bytes =
            entry.filter(|(name, _)| name == BLOB).and_then(|(_, digits)| wire::hex::decode_bytes(&digits));
        bytes.map(SqlValue::Blob).ok_or_else(|| A::Error::custom("not hexadecimal digits"))
    }
}

const BLOB: &str = "blob";
