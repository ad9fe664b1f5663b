//! A reader of JSON values that reports errors with line and column. The schema is left to `budgets`.

use jsonc_parser::{
    CollectOptions, ParseOptions,
    ast::{ObjectProp, Value},
    common::{Range, Ranged},
    parse_to_ast,
};
use serde::de::IgnoredAny;

use crate::error::{BudgetError, BudgetErrorKind};

/// Parses a document. serde_json validates it as strictly as JSON.parse, because Lighthouse reads the same
/// file; jsonc-parser, which is more lenient, provides the positions.
pub(crate) fn parse_document<T>(
    text: &str,
    walk: impl FnOnce(JsonNode<'_>) -> Result<T, BudgetError>,
) -> Result<T, BudgetError> {
    let not_json = |at: usize, reason: String| {
        let at = text.floor_char_boundary(at);
        JsonLocation { text, range: Range::new(at, at), key: String::new() }
            .error(BudgetErrorKind::NotJson { reason })
    };
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| {
        let lines = text.split_inclusive('\n').take(error.line().saturating_sub(1));
        let at = lines.map(str::len).sum::<usize>() + error.column().saturating_sub(1);
        let message = error.to_string();
        not_json(at, message.split(" at line ").next().unwrap_or_default().to_owned())
    })?;
    let tree = parse_to_ast(text, &CollectOptions::default(), &ParseOptions::default())
        .map_err(|error| not_json(error.range().start, error.kind().to_string()))?;
    let value = tree.value.as_ref().ok_or_else(|| not_json(0, "the file is empty".to_owned()))?;
    walk(JsonNode { value, location: JsonLocation { text, range: value.range(), key: String::new() } })
}

/// A value with its location.
#[derive(Clone, Debug)]
pub(crate) struct JsonNode<'a> {
    value: &'a Value<'a>,
    location: JsonLocation<'a>,
}

/// A location in the text and in the tree.
#[derive(Clone, Debug)]
struct JsonLocation<'a> {
    text: &'a str,
    range: Range,
    key: String,
}

/// The fields of an object without unknown keys.
#[derive(Debug)]
pub(crate) struct JsonFields<'a> {
    properties: &'a [ObjectProp<'a>],
    location: JsonLocation<'a>,
}

impl<'a> JsonNode<'a> {
    pub(crate) fn error(&self, kind: BudgetErrorKind) -> BudgetError {
        self.location.error(kind)
    }

    pub(crate) fn line(&self) -> u32 {
        self.location.line()
    }

    pub(crate) fn items(&self, expected: &'static str) -> Result<Vec<Self>, BudgetError> {
        let Value::Array(array) = self.value else {
            return Err(self.type_error(expected));
        };
        let item = |(index, value): (usize, &'a Value<'a>)| {
            let key = format!("{}[{index}]", self.location.key);
            JsonNode { value, location: JsonLocation { key, range: value.range(), text: self.location.text } }
        };
        Ok(array.elements.iter().enumerate().map(item).collect())
    }

    pub(crate) fn fields(
        &self,
        expected: &'static str,
        known: &[&'static str],
    ) -> Result<JsonFields<'a>, BudgetError> {
        let Value::Object(object) = self.value else {
            return Err(self.type_error(expected));
        };
        let fields = JsonFields { properties: &object.properties, location: self.location.clone() };
        for property in &object.properties {
            let name = property.name.as_str();
            if !known.contains(&name) {
                let location = JsonLocation { range: property.name.range(), ..fields.location.child(name) };
                return Err(location.error(BudgetErrorKind::unknown_name("key", name, known.to_vec())));
            }
        }
        Ok(fields)
    }

    pub(crate) fn text(&self, expected: &'static str) -> Result<&'a str, BudgetError> {
        match self.value {
            Value::StringLit(text) => Ok(&text.value),
            _ => Err(self.type_error(expected)),
        }
    }

    /// Returns the option of that name.
    pub(crate) fn parse_name<T: Copy>(
        &self,
        expected: &'static str,
        options: &[T],
        name: fn(T) -> &'static str,
    ) -> Result<T, BudgetError> {
        let text = self.text(expected)?;
        let option = options.iter().copied().find(|thing| name(*thing) == text);
        option.ok_or_else(|| {
            self.error(BudgetErrorKind::unknown_name(
                expected,
                text,
                options.iter().copied().map(name).collect(),
            ))
        })
    }

    pub(crate) fn number(&self) -> Result<f64, BudgetError> {
        let Value::NumberLit(number) = self.value else {
            return Err(self.type_error("a number"));
        };
        let number = number.value.parse().unwrap_or(f64::INFINITY);
        if f64::is_finite(number) {
            Ok(number)
        } else {
            Err(self.error(BudgetErrorKind::InvalidNumber { requirement: "finite" }))
        }
    }

    fn type_error(&self, expected: &'static str) -> BudgetError {
        let found = match self.value {
            Value::StringLit(_) => "a string",
            Value::NumberLit(_) => "a number",
            Value::BooleanLit(_) => "a boolean",
            Value::Object(_) => "an object",
            Value::Array(_) => "an array",
            Value::NullKeyword(_) => "null",
        };
        self.error(BudgetErrorKind::WrongType { expected, found })
    }
}

impl<'a> JsonFields<'a> {
    /// Returns the value of a key; the last one, as in JSON.parse, if the key is repeated.
    pub(crate) fn get(&self, key: &str) -> Option<JsonNode<'a>> {
        let property = self.properties.iter().rfind(|property| property.name.as_str() == key)?;
        let location = JsonLocation { range: property.value.range(), ..self.location.child(key) };
        Some(JsonNode { value: &property.value, location })
    }

    pub(crate) fn require(&self, key: &'static str) -> Result<JsonNode<'a>, BudgetError> {
        self.get(key).ok_or_else(|| self.error(BudgetErrorKind::MissingKey { key }))
    }

    /// Returns the items of an optional array.
    pub(crate) fn items(&self, key: &str) -> Result<Vec<JsonNode<'a>>, BudgetError> {
        self.get(key).map_or(Ok(Vec::new()), |node| node.items("an array"))
    }

    pub(crate) fn error(&self, kind: BudgetErrorKind) -> BudgetError {
        self.location.error(kind)
    }

    pub(crate) fn line(&self) -> u32 {
        self.location.line()
    }
}

impl JsonLocation<'_> {
    fn child(&self, name: &str) -> Self {
        let dot = if self.key.is_empty() { "" } else { "." };
        Self { key: format!("{}{dot}{name}", self.key), ..self.clone() }
    }

    fn text_before(&self) -> &str {
        self.text.get(..self.range.start).unwrap_or(self.text)
    }

    fn line(&self) -> u32 {
        one_based(self.text_before().bytes().filter(|byte| *byte == b'\n').count())
    }

    fn error(&self, kind: BudgetErrorKind) -> BudgetError {
        let line_start = self.text_before().rsplit('\n').next().unwrap_or_default();
        BudgetError {
            line: self.line(),
            column: one_based(line_start.chars().count()),
            key: self.key.clone(),
            kind,
        }
    }
}

/// Line and column count from 1.
fn one_based(zero_based: usize) -> u32 {
    u32::try_from(zero_based).unwrap_or(u32::MAX).saturating_add(1)
}
