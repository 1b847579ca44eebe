//! Rules on Rust syntax: lengths of functions and test modules, reasons, sleeping, test names.

use proc_macro2::Span;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

use super::tree::{File, Tree};
use super::{Finding, Rule};

/// Lines of a function from `fn` to its last brace. About 40 is usual.
const MAX_FUNCTION_LINES: usize = 70;

/// Lines of a test module inside another file; longer ones get a file of their own.
const MAX_TEST_MODULE_LINES: usize = 150;

/// Checks every Rust file.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.ending(".rs") {
        match syn::parse_file(&file.text) {
            Ok(syntax) => {
                let in_test = is_test_file(&file.path);
                let paused = is_time_paused(tree, &file.path);
                let mut visitor = Visitor { file, in_test, paused, findings: &mut findings };
                visitor.visit_file(&syntax);
                if in_test {
                    visitor.sleeping(1, usize::MAX);
                }
            }
            Err(error) => findings.push(Finding {
                path: file.path.clone(),
                line: error.span().start().line,
                rule: Rule::Syntax,
                message: error.to_string(),
            }),
        }
    }
    findings
}

/// Whether a whole file is test code.
fn is_test_file(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs") || path.ends_with("_tests.rs")
}

/// Whether every tokio test of the file, or of the test program or module that it belongs to, runs
/// with tokio's time paused: sleeping then takes no time.
fn is_time_paused(tree: &Tree, path: &str) -> bool {
    let group = test_group(path);
    let of_group =
        |other: &str| other.strip_prefix(group).is_some_and(|rest| rest.starts_with(['.', '/']));
    let mut tests = (tree.ending(".rs").filter(|file| of_group(&file.path)))
        .flat_map(|file| file.text.split("#[tokio::test").skip(1))
        .peekable();
    tests.peek().is_some() && tests.all(|test| test.starts_with("(start_paused = true"))
}

/// What the paths of one test program or test module have in common: `crates/a/tests/it` of
/// `crates/a/tests/it/main.rs`, `src/a/tests` of `src/a/tests/fake.rs`.
fn test_group(path: &str) -> &str {
    let file = path.strip_suffix(".rs").unwrap_or(path);
    let Some((before, after)) = path.split_once("/tests/") else { return file };
    let is_program = !before.contains("/src");
    let length = match after.split_once('/') {
        Some((directory, _)) if is_program => before.len() + "/tests/".len() + directory.len(),
        None if is_program => file.len(),
        _ => before.len() + "/tests".len(),
    };
    path.get(..length).unwrap_or(file)
}

/// Where all file work goes through `sigsum_store::fs`, so that a test can lose what was not synced.
const SEAMED: &[&str] = &["crates/log/src/", "crates/store/src/"];
/// The seam itself.
const SEAM: &[&str] = &["crates/store/src/fs.rs", "crates/store/src/fs/"];
/// Modules that reach files past it.
const PAST_THE_SEAM: &[&str] = &["std::fs", "tokio::fs", "std::os::unix::fs", "rustix::fs"];

/// Whether code in this file may not reach files by itself.
fn is_seamed(path: &str) -> bool {
    let under = |places: &[&str]| places.iter().any(|place| path.starts_with(place));
    under(SEAMED) && !under(SEAM)
}

struct Visitor<'a> {
    file: &'a File,
    /// Whether the part being looked at is test code.
    in_test: bool,
    /// Whether tokio's time stands still in its tests.
    paused: bool,
    findings: &'a mut Vec<Finding>,
}

impl Visitor<'_> {
    fn found(&mut self, line: usize, rule: Rule, message: String) {
        self.findings.push(Finding { path: self.file.path.clone(), line, rule, message });
    }

    fn function(&mut self, signature: &syn::Signature, body: &syn::Block) {
        let lines = lines_of(signature.fn_token.span(), body.span());
        let (line, name) = (signature.fn_token.span().start().line, &signature.ident);
        if lines > MAX_FUNCTION_LINES {
            let message = format!("`{name}` has {lines} lines, at most {MAX_FUNCTION_LINES}");
            self.found(line, Rule::FunctionLength, message);
        }
    }

    /// Finds file work past the seam: `path` is what a `use` or an expression names.
    fn file_work(&mut self, line: usize, path: &str) {
        let past = |module: &&&str| {
            path.strip_prefix(**module).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
        };
        if self.in_test || !is_seamed(&self.file.path) {
            return;
        }
        if let Some(module) = PAST_THE_SEAM.iter().find(past) {
            let message = format!("`{module}`: go through `sigsum_store::fs`, as tests replace it");
            self.found(line, Rule::FileSeam, message);
        }
    }

    /// Looks at all that a `use` names.
    fn used(&mut self, before: &str, tree: &syn::UseTree) {
        match tree {
            syn::UseTree::Path(path) => self.used(&format!("{before}{}::", path.ident), &path.tree),
            syn::UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.used(before, tree));
            }
            syn::UseTree::Name(syn::UseName { ident })
            | syn::UseTree::Rename(syn::UseRename { ident, .. }) => {
                self.file_work(ident.span().start().line, &format!("{before}{ident}"));
            }
            syn::UseTree::Glob(glob) => {
                self.file_work(glob.span().start().line, before.trim_end_matches(':'));
            }
        }
    }

    /// Finds calls of `sleep` in the lines from `first` to `last`, also inside macros.
    fn sleeping(&mut self, first: usize, last: usize) {
        let is_call = |line: &str| !line.trim_start().starts_with("//") && line.contains("sleep(");
        let takes_time = |line: &str| !self.paused || line.contains("thread::sleep(");
        let lines: Vec<usize> = (self.file.lines())
            .filter(|(number, _)| (first..=last).contains(number))
            .filter(|(_, line)| is_call(line) && takes_time(line))
            .map(|(number, _)| number)
            .collect();
        for line in lines {
            let message = "a test waits for what happens, not for time to pass".to_owned();
            self.found(line, Rule::Sleep, message);
        }
    }
}

/// Lines from the beginning of one span to the end of another, both counted.
fn lines_of(from: Span, to: Span) -> usize {
    to.end().line.saturating_sub(from.start().line) + 1
}

fn is_test_module(module: &syn::ItemMod) -> bool {
    module.attrs.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && (attribute.parse_args::<syn::Path>()).is_ok_and(|path| path.is_ident("test"))
    })
}

/// Whether an attribute marks a test: `test`, `tokio::test`.
fn is_test_attribute(attribute: &syn::Attribute) -> bool {
    attribute.path().segments.last().is_some_and(|segment| segment.ident == "test")
}

impl<'ast> Visit<'ast> for Visitor<'_> {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        let outer = self.in_test;
        if let (true, Some((braces, _))) = (is_test_module(module), &module.content) {
            let (from, to) = (module.mod_token.span(), braces.span.close());
            let lines = lines_of(from, to);
            if lines > MAX_TEST_MODULE_LINES {
                let message =
                    format!("{lines} lines of tests, at most {MAX_TEST_MODULE_LINES} here");
                self.found(from.start().line, Rule::TestModuleLength, message);
            }
            if !outer {
                self.sleeping(from.start().line, to.end().line);
            }
            self.in_test = true;
        }
        visit::visit_item_mod(self, module);
        self.in_test = outer;
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.used("", &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|it| it.ident.to_string()).collect();
        self.file_work(path.span().start().line, &names.join("::"));
        visit::visit_path(self, path);
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.sig, &item.block);
        let name = item.sig.ident.to_string();
        if item.attrs.iter().any(is_test_attribute) && name.starts_with("test_") {
            let message = format!("`{name}`: name the behaviour, without `test_`");
            self.found(item.sig.ident.span().start().line, Rule::TestName, message);
        }
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(body) = &item.default {
            self.function(&item.sig, body);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        let line = attribute.span().start().line;
        let inside = match &attribute.meta {
            syn::Meta::List(list) => list.tokens.to_string(),
            _ => String::new(),
        };
        let path = attribute.path();
        // `cfg_attr` may hold one of them.
        let lets_pass = path.is_ident("allow")
            || path.is_ident("expect")
            || (path.is_ident("cfg_attr") && inside.contains("allow"));
        if lets_pass && !inside.contains("reason =") {
            self.found(line, Rule::Reason, "needs `reason = \"...\"`".to_owned());
        }
        let ignores = path.is_ident("ignore");
        if ignores && !matches!(attribute.meta, syn::Meta::NameValue(_)) {
            self.found(line, Rule::Reason, "needs `#[ignore = \"...\"]`".to_owned());
        }
    }
}

#[cfg(test)]
mod tests;
