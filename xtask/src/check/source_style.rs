//! Rules for source text that no linter knows: the length of a file, and how a comment line begins.

use std::path::Path;

/// Lists the violations of a file, as `path: …` or `path:line: …`. `file` is relative to the workspace.
pub(crate) fn file_too_long(file: &Path, text: &str) -> Option<String> {
    let lines = text.lines().count();
    let is_generated = text.lines().next().is_some_and(|line| line.contains("Generated from"));
    let is_exempt =
        is_generated || file.starts_with("tests") || file.starts_with("www/portal") || is_test(file);
    (lines > MAX_LINES && !is_exempt)
        .then(|| format!("{}: {lines} lines; split it, {MAX_LINES} is the limit", file.display()))
}

/// Lists the comment lines that open with a subordinate clause.
pub(crate) fn clause_openings(file: &Path, text: &str) -> Vec<String> {
    let lines = text.lines().enumerate().filter(|(_, line)| opens_with_clause(line));
    lines.map(|(index, line)| format!("{}:{}: {}", file.display(), index + 1, line.trim())).collect()
}

fn is_test(file: &Path) -> bool {
    file.components().any(|component| component.as_os_str() == "tests")
}

fn opens_with_clause(line: &str) -> bool {
    let line = line.trim_start();
    let comment = ["///", "//!", "//", "*"].iter().find_map(|mark| line.strip_prefix(mark));
    let Some(text) = comment.map(|text| text.strip_prefix(' ').unwrap_or(text)) else { return false };
    CLAUSE_WORDS
        .iter()
        .filter_map(|word| text.strip_prefix(word))
        .any(|rest| rest.chars().next().is_none_or(|next| !next.is_alphanumeric() && next != '_'))
}

const MAX_LINES: usize = 500;
const CLAUSE_WORDS: &[&str] = &[
    "What",
    "Who",
    "Whom",
    "Whose",
    "Whoever",
    "Whatever",
    "Whether",
    "How",
    "Since when",
    "Where it",
    "So many",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_that_opens_with_a_clause_is_found_with_its_line() {
        let text = "/// A noun.\nlet x = 1; // fine\n    //! Whether it is so.\n * What it is";
        assert_eq!(
            clause_openings(Path::new("a.rs"), text),
            ["a.rs:3: //! Whether it is so.", "a.rs:4: * What it is"]
        );
    }

    #[test]
    fn code_and_longer_words_are_no_clauses() {
        for line in ["What();", "/// Whole numbers.", "// However", "/// A What", "/// Since whenever"] {
            assert!(!opens_with_clause(line), "{line}");
        }
    }

    #[test]
    fn only_source_files_have_a_length_limit() {
        let long = "x\n".repeat(MAX_LINES + 1);
        assert!(file_too_long(Path::new("crates/a/src/lib.rs"), &long).is_some());
        assert_eq!(file_too_long(Path::new("crates/a/src/lib.rs"), &long[2..]), None);
        for file in ["tests/a.mjs", "crates/a/tests/a.rs", "www/portal/a.ts"] {
            assert_eq!(file_too_long(Path::new(file), &long), None, "{file}");
        }
    }
}
