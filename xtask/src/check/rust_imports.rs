//! The imports between the files of one Rust crate, read from its syntax trees without compiling it.
//!
//! A path counts as an import of the file that *defines* its item: re-exports are followed, `mod x;` is
//! no import, and a path that ends at a module imports nothing by itself. `#[cfg(test)]` items are left
//! out, because a test may use the layers above. Paths inside macro calls are found in their tokens.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Item, UseTree};

use super::import_graph::Import;

/// Finds the imports between the files of the crate whose root file this is.
pub(crate) fn imports(crate_root: &Path) -> Result<Vec<Import>> {
    let mut modules = Modules::default();
    let folder = crate_root.parent().unwrap_or(Path::new(""));
    modules.load(crate_root.to_owned(), folder.to_owned(), None)?;
    Ok(modules.imports())
}

#[derive(Default)]
struct Modules(Vec<Module>);

struct Module {
    file: PathBuf,
    parent: Option<usize>,
    children: HashMap<String, usize>,
    /// The names of the items that the module itself defines.
    items: HashSet<String>,
    uses: Vec<Use>,
    /// Paths outside of `use`.
    paths: Vec<(Vec<String>, usize)>,
}

struct Use {
    path: Vec<String>,
    line: usize,
    is_public: bool,
    binding: Binding,
}

#[derive(PartialEq)]
enum Binding {
    Name(String),
    Glob,
}

#[derive(Clone, Copy)]
enum Target {
    Module(usize),
    /// An item, by the module that defines it.
    ItemOf(usize),
}

#[expect(clippy::indexing_slicing, reason = "indices come from `add`, and no module is ever removed")]
impl Modules {
    fn get(&self, module: usize) -> &Module {
        &self.0[module]
    }

    fn get_mut(&mut self, module: usize) -> &mut Module {
        &mut self.0[module]
    }
}

impl Modules {
    /// Reads a file as a new module. `folder` holds the files of its child modules.
    fn load(&mut self, file: PathBuf, folder: PathBuf, parent: Option<usize>) -> Result<usize> {
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let syntax = syn::parse_file(&text).with_context(|| format!("cannot parse {}", file.display()))?;
        self.add(file, folder, parent, &syntax.items)
    }

    fn add(
        &mut self,
        file: PathBuf,
        folder: PathBuf,
        parent: Option<usize>,
        items: &[Item],
    ) -> Result<usize> {
        let module = self.0.len();
        let (children, uses) = (HashMap::new(), Vec::new());
        self.0.push(Module { file, parent, children, items: HashSet::new(), uses, paths: Vec::new() });
        let mut collector = Collector { modules: self, module, folder, outcome: Ok(()) };
        items.iter().for_each(|item| collector.visit_item(item));
        collector.outcome.map(|()| module)
    }

    fn imports(&self) -> Vec<Import> {
        let mut imports = Vec::new();
        for (index, module) in self.0.iter().enumerate() {
            let uses = module.uses.iter().map(|import| {
                let is_reexport = import.is_public && import.binding == Binding::Glob;
                (&import.path, import.line, is_reexport)
            });
            // An imported item is listed at its `use`, not at each place of use.
            let is_listed = |path: &[String]| {
                path.first()
                    .is_some_and(|first| matches!(self.imported(index, first, 0), Some(Target::ItemOf(_))))
            };
            let paths = module.paths.iter().filter(|(path, _)| !is_listed(path));
            let paths = paths.map(|(path, line)| (path, *line, false));
            for (path, line, is_glob_reexport) in uses.chain(paths) {
                let defining = match self.resolve(index, path, 0) {
                    Some(Target::ItemOf(defining)) => defining,
                    Some(Target::Module(defining)) if is_glob_reexport => defining,
                    _ => continue,
                };
                let to = &self.get(defining).file;
                if *to != module.file {
                    let (from, to) = (module.file.clone(), to.clone());
                    imports.push(Import { from, to, line, name: path.join("::") });
                }
            }
        }
        imports
    }

    /// The target of a path inside a module; none for paths into other crates.
    fn resolve(&self, module: usize, path: &[String], depth: usize) -> Option<Target> {
        if depth > MAX_REEXPORTS {
            return None;
        }
        let mut target = Target::Module(module);
        for (index, segment) in path.iter().enumerate() {
            let Target::Module(current) = target else { break };
            target = match segment.as_str() {
                "crate" => Target::Module(0),
                "self" => target,
                "super" => Target::Module(self.get(current).parent?),
                name => self.find(current, name, index + 1 == path.len(), depth)?,
            };
        }
        Some(target)
    }

    /// A name in a module. Modules and items have separate namespaces: all but the last segment of a
    /// path name a module where there is one.
    fn find(&self, module: usize, name: &str, is_last: bool, depth: usize) -> Option<Target> {
        let Module { children, items, uses, .. } = self.get(module);
        let child = || children.get(name).copied().map(Target::Module);
        let item = || items.contains(name).then_some(Target::ItemOf(module));
        let imported = || self.imported(module, name, depth);
        let globbed = || {
            let globs = uses.iter().filter(|import| import.binding == Binding::Glob);
            globs
                .filter_map(|import| match self.resolve(module, &import.path, depth + 1)? {
                    Target::Module(source) => self.find(source, name, is_last, depth + 1),
                    Target::ItemOf(_) => None,
                })
                .next()
        };
        match is_last {
            true => item().or_else(imported).or_else(child),
            false => child().or_else(imported).or_else(item),
        }
        .or_else(|| (depth <= MAX_REEXPORTS).then(globbed).flatten())
    }

    /// The target of the first `use` in a module that brings in this name.
    fn imported(&self, module: usize, name: &str, depth: usize) -> Option<Target> {
        let uses = self.get(module).uses.iter();
        let named = uses.filter(|import| matches!(&import.binding, Binding::Name(bound) if bound == name));
        named.filter_map(|import| self.resolve(module, &import.path, depth + 1)).next()
    }
}

/// Returns the path of a module in another folder: `#[path = "…"]`.
fn path_attribute(declaration: &syn::ItemMod) -> Option<String> {
    declaration.attrs.iter().find_map(|attribute| match &attribute.meta {
        syn::Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(path), .. }) => Some(path.value()),
            _ => None,
        },
        _ => None,
    })
}

/// Collects the names, imports and paths of one module, and loads its children.
struct Collector<'a> {
    modules: &'a mut Modules,
    module: usize,
    folder: PathBuf,
    outcome: Result<()>,
}

impl Collector<'_> {
    fn module(&mut self) -> &mut Module {
        self.modules.get_mut(self.module)
    }

    fn add_child(&mut self, declaration: &syn::ItemMod) -> Result<()> {
        let name = declaration.ident.to_string();
        let folder = self.folder.join(&name);
        let child = match &declaration.content {
            Some((_, items)) => {
                let file = self.module().file.clone();
                self.modules.add(file, folder, Some(self.module), items)?
            }
            None => {
                let candidates = match path_attribute(declaration) {
                    Some(path) => vec![self.module().file.with_file_name("").join(path)],
                    None => vec![folder.with_extension("rs"), folder.join("mod.rs")],
                };
                let file = candidates.into_iter().find(|file| file.is_file());
                let file = file
                    .with_context(|| format!("module `{name}` has no file in {}", self.folder.display()))?;
                self.modules.load(file, folder, Some(self.module))?
            }
        };
        self.module().children.insert(name, child);
        Ok(())
    }

    fn add_use(&mut self, tree: &UseTree, prefix: &[String], is_public: bool) {
        let line = tree.span().start().line;
        let with = |name: &dyn ToString| [prefix, &[name.to_string()]].concat();
        let mut add = |path, binding| self.module().uses.push(Use { path, line, is_public, binding });
        match tree {
            UseTree::Path(path) => self.add_use(&path.tree, &with(&path.ident), is_public),
            UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.add_use(tree, prefix, is_public));
            }
            UseTree::Name(name) if name.ident == "self" => {
                let bound = prefix.last().cloned().unwrap_or_default();
                add(prefix.to_vec(), Binding::Name(bound));
            }
            UseTree::Name(name) => add(with(&name.ident), Binding::Name(name.ident.to_string())),
            UseTree::Rename(renamed) => {
                add(with(&renamed.ident), Binding::Name(renamed.rename.to_string()));
            }
            UseTree::Glob(_) => add(prefix.to_vec(), Binding::Glob),
        }
    }

    /// Finds `a::b` sequences in the tokens of a macro call.
    fn add_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        path.clear();
                    }
                    path.push(ident.to_string());
                    colons = 0;
                    if path.len() > 1 {
                        let line = ident.span().start().line;
                        self.module().paths.push((path.clone(), line));
                    }
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                other => {
                    path.clear();
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.add_tokens(group.stream());
                    }
                }
            }
        }
    }
}

impl<'ast> Visit<'ast> for Collector<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let (name, attributes) = name_and_attributes(item);
        if attributes.iter().any(is_test_only) {
            return;
        }
        if let Some(name) = name {
            self.module().items.insert(name.to_string());
        }
        visit::visit_item(self, item);
    }

    fn visit_item_mod(&mut self, declaration: &'ast syn::ItemMod) {
        let outcome = self.add_child(declaration);
        if self.outcome.is_ok() {
            self.outcome = outcome;
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if item.leading_colon.is_none() {
            self.add_use(&item.tree, &[], !matches!(item.vis, syn::Visibility::Inherited));
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            let segments = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            let line = path.span().start().line;
            self.module().paths.push((segments, line));
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        visit::visit_macro(self, call);
        self.add_tokens(call.tokens.clone());
    }
}

/// The name that an item adds to its module, where it is not a module, and the item's attributes.
fn name_and_attributes(item: &Item) -> (Option<&syn::Ident>, &[Attribute]) {
    match item {
        Item::Const(item) => (Some(&item.ident), &item.attrs),
        Item::Enum(item) => (Some(&item.ident), &item.attrs),
        Item::Fn(item) => (Some(&item.sig.ident), &item.attrs),
        Item::Impl(item) => (None, &item.attrs),
        Item::Macro(item) => (item.ident.as_ref(), &item.attrs),
        Item::Mod(item) => (None, &item.attrs),
        Item::Static(item) => (Some(&item.ident), &item.attrs),
        Item::Struct(item) => (Some(&item.ident), &item.attrs),
        Item::Trait(item) => (Some(&item.ident), &item.attrs),
        Item::TraitAlias(item) => (Some(&item.ident), &item.attrs),
        Item::Type(item) => (Some(&item.ident), &item.attrs),
        Item::Union(item) => (Some(&item.ident), &item.attrs),
        Item::Use(item) => (None, &item.attrs),
        _ => (None, &[]),
    }
}

fn is_test_only(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg")
        && attribute.meta.require_list().is_ok_and(|list| {
            let condition = list.tokens.to_string();
            condition == "test" || condition.starts_with("all (test")
        })
}

/// Longer chains of re-exports are circles of their own, such as `use name::name` from another crate.
const MAX_REEXPORTS: usize = 8;

#[cfg(test)]
mod tests {
    use super::super::import_graph::{circles, describe};
    use super::*;

    /// Compares the circles of a crate, given as files in `src`, with the expected lines.
    #[track_caller]
    fn check(files: &[(&str, &str)], expected: &[&str]) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (file, text) in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
        let imports = imports(&folder.path().join("lib.rs")).expect("a readable crate");
        let text = describe(&circles(&imports), folder.path());
        let edges: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("  ")).collect();
        assert_eq!(edges, expected);
    }

    #[test]
    fn two_modules_that_use_each_other_are_a_circle() {
        check(
            &[
                ("lib.rs", "mod a; mod b;"),
                ("a.rs", "use crate::b::B;\npub struct A(B);"),
                ("b.rs", "pub struct B;\nfn f(_: super::a::A) {}"),
            ],
            &["a.rs:1 imports b.rs (crate::b::B)", "b.rs:2 imports a.rs (super::a::A)"],
        );
    }

    #[test]
    fn a_module_declaration_is_no_import() {
        check(&[("lib.rs", "mod a; pub struct L;"), ("a.rs", "use crate::L;")], &[]);
    }

    #[test]
    fn a_child_that_uses_what_its_parent_reexports_from_a_sibling_is_no_circle() {
        check(
            &[
                ("lib.rs", "mod a; mod b; pub use a::A; pub use b::B;"),
                ("a.rs", "pub struct A;"),
                ("b.rs", "use crate::A; pub struct B(A);"),
            ],
            &[],
        );
    }

    #[test]
    fn a_child_that_uses_what_the_reexporting_parent_defines_is_a_circle() {
        check(
            &[("lib.rs", "mod a;\npub use a::A;\npub struct L;"), ("a.rs", "pub struct A(super::L);")],
            &["a.rs:1 imports lib.rs (super::L)", "lib.rs:2 imports a.rs (a::A)"],
        );
    }

    #[test]
    fn a_public_glob_is_an_import_and_its_names_are_followed() {
        check(
            &[
                ("lib.rs", "mod a; mod b; mod c; pub use a::*;"),
                ("a.rs", "use crate::b::B; pub struct A;"),
                ("b.rs", "use crate::A; pub struct B;"),
                ("c.rs", "use super::*; fn f(_: A) {}"),
            ],
            &["a.rs:1 imports b.rs (crate::b::B)", "b.rs:1 imports a.rs (crate::A)"],
        );
    }

    #[test]
    fn an_imported_module_counts_by_what_is_used_of_it() {
        check(
            &[
                ("lib.rs", "mod a; mod b;"),
                ("a.rs", "mod inner; use crate::b; fn f() -> u8 { b::N }"),
                ("a/inner.rs", "pub fn g() {}"),
                ("b.rs", "use crate::a; pub const N: u8 = 1; fn h() { a::inner::g() }"),
            ],
            &[],
        );
    }

    #[test]
    fn paths_in_macro_calls_are_imports() {
        check(
            &[
                ("lib.rs", "mod a; mod b;"),
                ("a.rs", "pub fn f() { assert!(crate::b::is_true()); }"),
                ("b.rs", "pub fn is_true() -> bool { vec![crate::a::f()].is_empty() }"),
            ],
            &["a.rs:1 imports b.rs (crate::b::is_true)", "b.rs:1 imports a.rs (crate::a::f)"],
        );
    }

    #[test]
    fn tests_may_use_the_layers_above() {
        check(
            &[
                ("lib.rs", "mod a; mod b;"),
                ("a.rs", "use crate::b::B; pub struct A;"),
                ("b.rs", "pub struct B; #[cfg(test)] mod tests { use super::*; use crate::a::A; }"),
            ],
            &[],
        );
    }

    #[test]
    fn a_name_of_another_crate_that_imports_itself_is_no_endless_search() {
        check(&[("lib.rs", "use other::other; pub use outer::*; fn f(_: other::Thing, _: Unknown) {}")], &[]);
    }
}
