//! Errors of a budgets.json: place, cause and remedy.

use std::fmt;

/// An error with its place in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetError {
    /// Counted from 1.
    pub line: u32,
    /// In characters, counted from 1.
    pub column: u32,
    /// The path of the value, such as `[0].timings[2].metric`. Empty for the whole file.
    pub key: String,
    /// The cause.
    pub kind: BudgetErrorKind,
}

/// The cause of an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BudgetErrorKind {
    /// The file is not valid JSON.
    NotJson {
        /// The message of the JSON parser.
        reason: String,
    },
    /// The value has the wrong type.
    WrongType {
        /// The expected type.
        expected: &'static str,
        /// The actual type.
        found: &'static str,
    },
    /// The name is not one of a fixed set.
    UnknownName {
        /// The kind of name, such as `metric`.
        expected: &'static str,
        /// The unknown name.
        found: String,
        /// The most similar valid name, if one is similar enough.
        nearest: Option<&'static str>,
        /// All valid names.
        known: Vec<&'static str>,
    },
    /// A required key is missing.
    MissingKey {
        /// The missing key.
        key: &'static str,
    },
    /// Two budgets of one entry are for the same measure and devices.
    Duplicate {
        /// The name of the measure.
        name: &'static str,
    },
    /// A number outside its range.
    InvalidNumber {
        /// The requirement, after "must be".
        requirement: &'static str,
    },
    /// A malformed path or host name, or a value that is not allowed here.
    InvalidText {
        /// The requirement, after "must".
        requirement: &'static str,
    },
}

impl BudgetErrorKind {
    pub(crate) fn unknown_name(expected: &'static str, found: &str, known: Vec<&'static str>) -> Self {
        let nearest = nearest_name(found, &known);
        Self::UnknownName { expected, found: found.to_owned(), nearest, known }
    }
}

impl fmt::Display for BudgetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: ", self.line, self.column)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{}", self.kind)
    }
}

impl fmt::Display for BudgetErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotJson { reason } => write!(f, "invalid JSON: {reason}"),
            Self::WrongType { expected, found } => write!(f, "expected {expected}, found {found}"),
            Self::UnknownName { expected, found, nearest: Some(nearest), .. } => {
                write!(f, "unknown {expected} \"{found}\"; did you mean \"{nearest}\"?")
            }
            Self::UnknownName { expected, found, known, .. } => {
                write!(f, "unknown {expected} \"{found}\"; use one of {}", known.join(", "))
            }
            Self::MissingKey { key } => write!(f, "missing key \"{key}\""),
            Self::Duplicate { name } => write!(f, "duplicate budget for \"{name}\"; remove one of them"),
            Self::InvalidNumber { requirement } => write!(f, "must be {requirement}"),
            Self::InvalidText { requirement } => write!(f, "must {requirement}"),
        }
    }
}

impl std::error::Error for BudgetError {}

fn nearest_name(found: &str, known: &[&'static str]) -> Option<&'static str> {
    // An acronym, such as LCP for largest-contentful-paint.
    let letters = |name: &str| name.split('-').filter_map(|word| word.chars().next()).collect::<String>();
    if let Some(name) =
        known.iter().find(|name| name.contains('-') && letters(name).eq_ignore_ascii_case(found))
    {
        return Some(name);
    }
    let found = found.to_ascii_lowercase();
    let distance = |name: &&&str| strsim::osa_distance(&name.to_ascii_lowercase(), &found);
    let name = known.iter().min_by_key(distance)?;
    (distance(&name) <= name.len().div_ceil(3)).then_some(name)
}
