//! Import circles: files that import each other, directly or through others. Which file imports which
//! is found by `rust_imports` and `js_imports`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use petgraph::algo::tarjan_scc;
use petgraph::graph::DiGraph;

/// One file's import of something that another file defines.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Import {
    pub(crate) from: PathBuf,
    pub(crate) to: PathBuf,
    /// The line of `from` that imports, counted from 1.
    pub(crate) line: usize,
    /// The imported path, as the source spells it.
    pub(crate) name: String,
}

/// The imports of each circle: the edges inside one strongly connected component, sorted by file.
pub(crate) fn circles(imports: &[Import]) -> Vec<Vec<&Import>> {
    let mut graph = DiGraph::<&Path, &Import>::new();
    let mut nodes = BTreeMap::new();
    for import in imports {
        let [from, to] = [&import.from, &import.to]
            .map(|file| *nodes.entry(file.as_path()).or_insert_with(|| graph.add_node(file.as_path())));
        graph.add_edge(from, to, import);
    }
    let components = tarjan_scc(&graph).into_iter().filter(|component| component.len() > 1);
    let mut circles: Vec<Vec<&Import>> = components
        .map(|component| {
            let inside = graph.edge_indices().filter(|edge| {
                graph.edge_endpoints(*edge).is_some_and(|(from, to)| {
                    from != to && component.contains(&from) && component.contains(&to)
                })
            });
            let mut edges: Vec<&Import> = inside.map(|edge| graph[edge]).collect();
            edges.sort();
            edges
        })
        .collect();
    circles.sort();
    circles
}

/// Lists the files of each circle, with the first line and all the names of each import.
pub(crate) fn describe(circles: &[Vec<&Import>], root: &Path) -> String {
    let shown = |file: &Path| file.strip_prefix(root).unwrap_or(file).display().to_string();
    let mut text = String::new();
    for circle in circles {
        let files: BTreeSet<&Path> = circle.iter().map(|import| import.from.as_path()).collect();
        let _ = writeln!(text, "{} files import each other:", files.len());
        for edge in circle.chunk_by(|first, second| (&first.from, &first.to) == (&second.from, &second.to)) {
            let Some(Import { from, to, line, .. }) = edge.first() else { continue };
            let names: BTreeSet<&str> = edge.iter().map(|import| import.name.as_str()).collect();
            let names = Vec::from_iter(names).join(", ");
            let _ = writeln!(text, "  {}:{line} imports {} ({names})", shown(from), shown(to));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn import(from: &str, to: &str) -> Import {
        Import { from: from.into(), to: to.into(), line: 1, name: format!("crate::{to}") }
    }

    #[test]
    fn a_tree_of_imports_has_no_circle() {
        assert!(circles(&[import("a", "b"), import("a", "c"), import("b", "c")]).is_empty());
    }

    #[test]
    fn a_circle_lists_its_own_edges_once_and_no_others() {
        let imports = [
            import("a", "b"),
            import("b", "c"),
            import("c", "a"),
            Import { line: 2, name: "crate::a::Other".into(), ..import("c", "a") },
            import("c", "leaf"),
            import("user", "a"),
        ];
        let circles = circles(&imports);
        assert_eq!(
            describe(&circles, Path::new("")),
            "3 files import each other:\n  a:1 imports b (crate::b)\n  b:1 imports c (crate::c)\n  \
             c:1 imports a (crate::a, crate::a::Other)\n"
        );
    }

    #[test]
    fn separate_circles_are_listed_separately() {
        let imports = [import("a", "b"), import("b", "a"), import("c", "d"), import("d", "c")];
        assert_eq!(circles(&imports).len(), 2);
    }
}
