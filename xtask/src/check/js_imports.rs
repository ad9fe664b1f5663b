//! The relative imports between JavaScript modules, read line by line.
//!
//! Static imports, re-exports and `import()` calls count. Types imported in JSDoc comments do not:
//! they are gone at run time.

use std::path::{Component, Path, PathBuf};

use super::import_graph::Import;

/// Finds the imports that one module has of others. `file` is relative to the workspace.
pub(crate) fn imports(file: &Path, text: &str) -> Vec<Import> {
    let mut imports = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for name in specifiers(&without_comments(line)) {
            if let Some(to) = resolve(file, name) {
                let (from, name) = (file.to_owned(), name.to_owned());
                imports.push(Import { from, to, line: index + 1, name });
            }
        }
    }
    imports
}

/// A line without comments. Block comments inside a line are JSDoc casts (`/** @type {…} */`).
fn without_comments(line: &str) -> String {
    if ["//", "/*", "*"].iter().any(|mark| line.trim_start().starts_with(mark)) {
        return line.split_once("*/").map_or_else(String::new, |(_, rest)| rest.to_owned());
    }
    let mut pieces = line.split("/** @");
    let code = pieces.next().unwrap_or_default().to_owned();
    pieces.filter_map(|piece| piece.split_once("*/")).fold(code, |code, (_, rest)| code + rest)
}

fn specifiers(code: &str) -> Vec<&str> {
    let starts = ["from \"", "import \"", "import(\""];
    starts
        .iter()
        .flat_map(|start| code.split(start).skip(1))
        .filter_map(|rest| rest.split_once('"').map(|(name, _)| name))
        .collect()
}

/// The file that a specifier names; none for packages and aliases.
fn resolve(file: &Path, name: &str) -> Option<PathBuf> {
    // The dashboard's modules also import each other by the address at which they are served.
    if let Some(served) = name.strip_prefix("/dashboard/") {
        return Some(Path::new("www/dashboard").join(served));
    }
    if !name.starts_with('.') {
        return None;
    }
    let mut path = file.parent()?.to_owned();
    for component in Path::new(name).components() {
        match component {
            Component::ParentDir => drop(path.pop()),
            Component::Normal(part) => path.push(part),
            _ => {}
        }
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let imports = imports(Path::new("www/dashboard/views/a.js"), text);
        let files: Vec<_> = imports.iter().map(|import| import.to.display().to_string()).collect();
        assert_eq!(files, expected);
    }

    #[test]
    fn static_and_dynamic_imports_and_reexports_count() {
        check("import { b } from \"./b.js\";", &["www/dashboard/views/b.js"]);
        check("import {\n  b,\n} from \"../b.js\";", &["www/dashboard/b.js"]);
        check("import \"./b.js\";", &["www/dashboard/views/b.js"]);
        check("export * from \"./b.js\";", &["www/dashboard/views/b.js"]);
        check("const b = await import(\"./b.js\");", &["www/dashboard/views/b.js"]);
        check("import(\"/dashboard/main.js\");", &["www/dashboard/main.js"]);
    }

    #[test]
    fn packages_comments_and_types_do_not_count() {
        check("import { join } from \"node:path\";\nimport toolkit from \"#toolkit\";", &[]);
        check("// import { b } from \"./b.js\";\n * @param {import(\"./b.js\").B} b", &[]);
        check("/** @typedef {import(\"./b.js\").B} B */", &[]);
        check("const b = /** @type {import(\"./b.js\").B} */ (value);", &[]);
    }
}
