//! A JSON document that is asked for what it should hold, and knows its line when it doesn't.
//! What it should hold is the budgets' business.

use jsonc_parser::{
    CollectOptions, ParseOptions,
    ast::{ObjectProp, Value},
    common::{Range, Ranged},
    parse_to_ast,
};
use serde::de::IgnoredAny;

use crate::mistake::{Mistake, Wrong};

/// Reads the whole document. serde_json says whether it is JSON, as strictly as JSON.parse, since
/// Lighthouse reads the same file; jsonc-parser, which takes more, says where everything is.
pub(crate) fn read<T>(text: &str, walk: impl FnOnce(Node<'_>) -> Result<T, Mistake>) -> Result<T, Mistake> {
    let not_json = |at: usize, because: String| {
        let at = text.floor_char_boundary(at);
        Place { text, range: Range::new(at, at), key: String::new() }.mistake(Wrong::NotJson { because })
    };
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| {
        let lines = text.split_inclusive('\n').take(error.line().saturating_sub(1));
        let at = lines.map(str::len).sum::<usize>() + error.column().saturating_sub(1);
        let because = error.to_string();
        not_json(at, because.split(" at line ").next().unwrap_or_default().to_owned())
    })?;
    let tree = parse_to_ast(text, &CollectOptions::default(), &ParseOptions::default())
        .map_err(|error| not_json(error.range().start, error.kind().to_string()))?;
    let value = tree.value.as_ref().ok_or_else(|| not_json(0, "it is empty".to_owned()))?;
    walk(Node { value, place: Place { text, range: value.range(), key: String::new() } })
}

/// A value at its place.
#[derive(Clone, Debug)]
pub(crate) struct Node<'a> {
    value: &'a Value<'a>,
    place: Place<'a>,
}

/// Where something is, in the text and in the tree.
#[derive(Clone, Debug)]
struct Place<'a> {
    text: &'a str,
    range: Range,
    key: String,
}

/// The values of an object, all of whose keys are known.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    properties: &'a [ObjectProp<'a>],
    place: Place<'a>,
}

impl<'a> Node<'a> {
    pub(crate) fn mistake(&self, wrong: Wrong) -> Mistake {
        self.place.mistake(wrong)
    }

    pub(crate) fn line(&self) -> u32 {
        self.place.line()
    }

    pub(crate) fn items(&self, expected: &'static str) -> Result<Vec<Self>, Mistake> {
        let Value::Array(array) = self.value else {
            return Err(self.not(expected));
        };
        let item = |(index, value): (usize, &'a Value<'a>)| {
            let key = format!("{}[{index}]", self.place.key);
            Node { value, place: Place { key, range: value.range(), text: self.place.text } }
        };
        Ok(array.elements.iter().enumerate().map(item).collect())
    }

    pub(crate) fn fields(
        &self,
        expected: &'static str,
        known: &[&'static str],
    ) -> Result<Fields<'a>, Mistake> {
        let Value::Object(object) = self.value else {
            return Err(self.not(expected));
        };
        let fields = Fields { properties: &object.properties, place: self.place.clone() };
        for property in &object.properties {
            let name = property.name.as_str();
            if !known.contains(&name) {
                let place = Place { range: property.name.range(), ..fields.place.child(name) };
                return Err(place.mistake(Wrong::name("known key", name, known.to_vec())));
            }
        }
        Ok(fields)
    }

    pub(crate) fn text(&self, expected: &'static str) -> Result<&'a str, Mistake> {
        match self.value {
            Value::StringLit(text) => Ok(&text.value),
            _ => Err(self.not(expected)),
        }
    }

    /// What the text names, among the named things.
    pub(crate) fn named<T: Copy>(
        &self,
        of: &'static str,
        things: &[T],
        name: fn(T) -> &'static str,
    ) -> Result<T, Mistake> {
        let text = self.text(of)?;
        let thing = things.iter().copied().find(|thing| name(*thing) == text);
        thing.ok_or_else(|| self.mistake(Wrong::name(of, text, things.iter().copied().map(name).collect())))
    }

    pub(crate) fn number(&self) -> Result<f64, Mistake> {
        let Value::NumberLit(number) = self.value else {
            return Err(self.not("a number"));
        };
        let number = number.value.parse().unwrap_or(f64::INFINITY);
        if f64::is_finite(number) { Ok(number) } else { Err(self.mistake(Wrong::Number { must: "finite" })) }
    }

    fn not(&self, expected: &'static str) -> Mistake {
        let found = match self.value {
            Value::StringLit(_) => "a string",
            Value::NumberLit(_) => "a number",
            Value::BooleanLit(_) => "a boolean",
            Value::Object(_) => "an object",
            Value::Array(_) => "an array",
            Value::NullKeyword(_) => "null",
        };
        self.mistake(Wrong::Kind { expected, found })
    }
}

impl<'a> Fields<'a> {
    /// The value of that key. Of two, the last, as everywhere in JSON.
    pub(crate) fn get(&self, key: &str) -> Option<Node<'a>> {
        let property = self.properties.iter().rfind(|property| property.name.as_str() == key)?;
        let place = Place { range: property.value.range(), ..self.place.child(key) };
        Some(Node { value: &property.value, place })
    }

    pub(crate) fn require(&self, key: &'static str) -> Result<Node<'a>, Mistake> {
        self.get(key).ok_or_else(|| self.mistake(Wrong::Missing { key }))
    }

    /// The items of an array that may be absent.
    pub(crate) fn items(&self, key: &str) -> Result<Vec<Node<'a>>, Mistake> {
        self.get(key).map_or(Ok(Vec::new()), |node| node.items("an array"))
    }

    pub(crate) fn mistake(&self, wrong: Wrong) -> Mistake {
        self.place.mistake(wrong)
    }

    pub(crate) fn line(&self) -> u32 {
        self.place.line()
    }
}

impl Place<'_> {
    fn child(&self, name: &str) -> Self {
        let dot = if self.key.is_empty() { "" } else { "." };
        Self { key: format!("{}{dot}{name}", self.key), ..self.clone() }
    }

    fn before(&self) -> &str {
        self.text.get(..self.range.start).unwrap_or(self.text)
    }

    fn line(&self) -> u32 {
        count(self.before().bytes().filter(|byte| *byte == b'\n').count())
    }

    fn mistake(&self, wrong: Wrong) -> Mistake {
        let line_start = self.before().rsplit('\n').next().unwrap_or_default();
        Mistake { line: self.line(), column: count(line_start.chars().count()), key: self.key.clone(), wrong }
    }
}

/// People count from 1.
fn count(passed: usize) -> u32 {
    u32::try_from(passed).unwrap_or(u32::MAX).saturating_add(1)
}
