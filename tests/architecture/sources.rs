//! Determines from a crate's sources which files use which.

use proc_macro2::{TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use syn::visit::{self, Visit};
use syn::{Attribute, Item, UseTree};

/// The path of a module, such as `["actors", "broker"]`. The path of the crate's root is empty.
type Module = Vec<String>;

/// A crate without its tests.
#[derive(Debug, Default)]
pub struct Crate {
    files: BTreeMap<Module, Source>,
}

/// One file.
#[derive(Debug, Default)]
struct Source {
    path: String,
    /// Paths in the source, each with the module that contains it.
    paths: Vec<(Module, Vec<String>)>,
    /// The names that `use` brings into the file's scope, and whether it only re-exports them (`pub use`).
    names: BTreeMap<String, (Vec<String>, bool)>,
}

/// A file uses a name from another file or crate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    /// The file that uses the name.
    pub from: String,
    /// The file that defines it. For another crate, the path itself.
    pub to: String,
    /// The path as written.
    pub name: String,
}

impl Crate {
    /// Reads all files in `folder` and its subfolders.
    pub fn read(folder: &Path) -> Self {
        let mut files = Vec::new();
        collect(folder, folder, &mut files);
        Crate::parse(&files)
    }

    /// Parses files, each given as its path in the crate's `src` and its text.
    pub fn parse(files: &[(String, String)]) -> Self {
        let (mut krate, mut tests) = (Crate::default(), BTreeSet::new());
        for (path, text) in files {
            let parsed = syn::parse_file(text).unwrap_or_else(|error| panic!("{path}: {error}"));
            let module = module_of(path);
            let mut reader = Reader { source: Source::default(), module: module.clone(), tests: &mut tests };
            reader.source.path.clone_from(path);
            reader.visit_file(&parsed);
            krate.files.insert(module, reader.source);
        }
        krate.files.retain(|module, _| !(1..=module.len()).any(|n| tests.contains(&module[..n])));
        krate
    }

    /// The names that each file uses from other files and from other crates. A re-exported name counts as
    /// used by the files that use it, not by the module that re-exports it.
    pub fn uses(&self) -> Vec<Use> {
        let mut uses = BTreeSet::new();
        for source in self.files.values() {
            for (module, path) in &source.paths {
                let to = self.resolve(module, path, 0);
                if to != source.path {
                    uses.insert(Use { from: source.path.clone(), to, name: path.join("::") });
                }
            }
        }
        uses.into_iter().collect()
    }

    /// The file that defines `path` in `module`. The path itself if it is not in this crate.
    fn resolve(&self, module: &[String], path: &[String], depth: usize) -> String {
        assert!(depth < 20, "{path:?} leads nowhere");
        let mut at = module.to_vec();
        let mut rest = path;
        match path.first().map(String::as_str) {
            Some("crate") => at.clear(),
            Some("self") => {}
            Some("super") => drop(at.pop()),
            Some(first) if self.files.contains_key(&child(&at, first)) => at.push(first.into()),
            _ => return path.join("::"),
        }
        rest = &rest[1..];
        while let [name, behind @ ..] = rest {
            if name == "super" {
                at.pop();
            } else if self.files.contains_key(&child(&at, name)) {
                at.push(name.clone());
            } else if let Some((from, _)) = self.files.get(&at).and_then(|source| source.names.get(name)) {
                let renamed: Vec<_> = from.iter().chain(behind).cloned().collect();
                return self.resolve(&at, &renamed, depth + 1);
            } else {
                break;
            }
            rest = behind;
        }
        // An inline module has no file of its own.
        while !self.files.contains_key(&at) {
            assert!(at.pop().is_some(), "no file for {path:?}");
        }
        self.files[&at].path.clone()
    }
}

fn child(module: &[String], name: &str) -> Module {
    module.iter().cloned().chain([name.to_string()]).collect()
}

fn module_of(path: &str) -> Module {
    let mut module: Module = path.trim_end_matches(".rs").split('/').map(String::from).collect();
    if matches!(module.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        module.pop();
    }
    module
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(root, &path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("main.rs") {
            let name = path.strip_prefix(root).expect("below it").to_str().expect("UTF-8").replace('\\', "/");
            files.push((name, std::fs::read_to_string(&path).expect("a text")));
        }
    }
}

/// Collects the names that one file uses.
struct Reader<'a> {
    source: Source,
    /// The module that is being read: the file's module or an inline one.
    module: Module,
    /// Modules that exist only for tests.
    tests: &'a mut BTreeSet<Module>,
}

impl Reader<'_> {
    fn note(&mut self, path: Vec<String>) {
        self.source.paths.push((self.module.clone(), path));
    }

    fn read_use(&mut self, tree: &UseTree, before: &[String], passes_on: bool, is_in_scope: bool) {
        let with = |name: &syn::Ident| child(before, &name.to_string());
        let (path, name) = match tree {
            UseTree::Path(path) => {
                return self.read_use(&path.tree, &with(&path.ident), passes_on, is_in_scope);
            }
            UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.read_use(tree, before, passes_on, is_in_scope));
                return;
            }
            UseTree::Name(name) if name.ident == "self" => (before.to_vec(), before.last().cloned()),
            UseTree::Name(name) => (with(&name.ident), Some(name.ident.to_string())),
            UseTree::Rename(rename) => (with(&rename.ident), Some(rename.rename.to_string())),
            UseTree::Glob(_) => (before.to_vec(), None),
        };
        if let Some(name) = name.filter(|_| is_in_scope) {
            self.source.names.insert(name, (path.clone(), passes_on));
        }
        if !passes_on {
            self.note(path);
        }
    }

    /// Collects the paths in a macro's arguments that begin in this crate.
    fn read_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(name) if path.is_empty() => {
                    let begins_here = name == "crate" || name == "super" || name == "self";
                    path.extend(begins_here.then(|| name.to_string()));
                }
                TokenTree::Ident(name) if colons == 2 => path.push(name.to_string()),
                TokenTree::Punct(mark) if mark.as_char() == ':' => {
                    colons += 1;
                    continue;
                }
                TokenTree::Group(group) => self.read_tokens(group.stream()),
                _ => self.note_if_long(std::mem::take(&mut path)),
            }
            colons = 0;
        }
        self.note_if_long(path);
    }

    fn note_if_long(&mut self, path: Vec<String>) {
        if path.len() > 1 {
            self.note(path);
        }
    }
}

/// Whether an item with these attributes is compiled only for tests.
fn is_for_tests(attributes: &[Attribute]) -> bool {
    let names_test = |attribute: &Attribute| match &attribute.meta {
        syn::Meta::List(list) if list.path.is_ident("cfg") => {
            list.tokens.to_string().split(|c: char| !c.is_alphanumeric()).any(|word| word == "test")
        }
        _ => false,
    };
    attributes.iter().any(names_test)
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes: &[Attribute] = match item {
            Item::Use(item) => &item.attrs,
            Item::Mod(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Const(item) => &item.attrs,
            Item::Struct(item) => &item.attrs,
            _ => &[],
        };
        if !is_for_tests(attributes) {
            visit::visit_item(self, item);
        } else if let Item::Mod(item) = item {
            self.tests.insert(child(&self.module, &item.ident.to_string()));
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let passes_on = !matches!(item.vis, syn::Visibility::Inherited);
        let is_in_scope = self.module == module_of(&self.source.path);
        self.read_use(&item.tree, &[], passes_on, is_in_scope);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_for_tests(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.note_if_long(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {
        // `pub(in crate::x)` is not a use.
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        self.read_tokens(item.tokens.clone());
        visit::visit_macro(self, item);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let syn::Meta::List(list) = &attribute.meta {
            self.read_tokens(list.tokens.clone());
        }
    }
}
