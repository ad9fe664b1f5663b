//! What can be wrong with a budgets.json: where, why, and what would be right.

use std::fmt;

/// Something in the file that must not stand, at its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetError {
    /// Counted from 1.
    pub line: u32,
    /// In characters, counted from 1.
    pub column: u32,
    /// The way to the value, such as `[0].timings[2].metric`. Empty for the whole file.
    pub key: String,
    /// What is wrong with it.
    pub kind: BudgetErrorKind,
}

/// What is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BudgetErrorKind {
    /// The text is not JSON.
    NotJson {
        /// What the JSON parser says.
        reason: String,
    },
    /// Another kind of value belongs here.
    WrongType {
        /// What belongs here.
        expected: &'static str,
        /// What is here.
        found: &'static str,
    },
    /// No such name is known here.
    UnknownName {
        /// Of what it should be a name.
        expected: &'static str,
        /// What is here.
        found: String,
        /// The valid name most like it, if any is.
        nearest: Option<&'static str>,
        /// Every name that would be valid.
        known: Vec<&'static str>,
    },
    /// Something that must be said is not.
    MissingKey {
        /// The key that is missing.
        key: &'static str,
    },
    /// The same thing is budgeted twice, for the same devices.
    Duplicate {
        /// Its name.
        name: &'static str,
    },
    /// A number that cannot be a budget, percentile or count.
    InvalidNumber {
        /// What the number must be.
        requirement: &'static str,
    },
    /// A path or host name that is not well-formed.
    InvalidText {
        /// What the text must be.
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
            Self::NotJson { reason: because } => write!(f, "this is not JSON: {because}"),
            Self::WrongType { expected, found } => write!(f, "here belongs {expected}, not {found}"),
            Self::UnknownName { expected: of, found, nearest: Some(nearest), .. } => {
                write!(f, "\"{found}\" is no {of}; did you mean \"{nearest}\"?")
            }
            Self::UnknownName { expected: of, found, known, .. } => {
                write!(f, "\"{found}\" is no {of}; known are {}", known.join(", "))
            }
            Self::MissingKey { key } => write!(f, "\"{key}\" is missing"),
            Self::Duplicate { name } => write!(f, "\"{name}\" is budgeted twice here"),
            Self::InvalidNumber { requirement: must } => write!(f, "the number must be {must}"),
            Self::InvalidText { requirement: must } => write!(f, "it must {must}"),
        }
    }
}

impl std::error::Error for BudgetError {}

fn nearest_name(found: &str, known: &[&'static str]) -> Option<&'static str> {
    // People write LCP for largest-contentful-paint: the first letters of its words.
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
