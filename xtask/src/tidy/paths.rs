//! Every path that a Rust source names, as `use` items, types, calls and the arguments of macros name them.
//!
//! Reads tokens, not items: groups in `use` are unfolded, comments and strings are no tokens, and what stands in the
//! arguments of a macro is seen, which a syntax tree would hide.

use std::iter;
use std::path::Path;

use proc_macro2::{Delimiter, LexError, TokenStream, TokenTree};

/// A path, or a single name, in a source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct CodePath {
    /// Its names. The first is `crate` for a path into the crate itself: `self` and `super` are resolved.
    pub(super) names: Vec<String>,
    /// Line of its last name, counted from 1.
    pub(super) line: usize,
    /// What it is used as.
    pub(super) role: Role,
}

/// What a path is used as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Role {
    /// A macro that is called.
    Macro,
    /// An attribute, or an argument of one.
    Attribute,
    /// The name of a `static mut`.
    StaticMut,
    /// Anything else.
    Other,
}

impl CodePath {
    /// Finds the paths in a source that lies at `file`, by which `super` is understood.
    ///
    /// # Errors
    /// The source is not made of Rust tokens.
    pub(super) fn all_in(file: &Path, source: &str) -> Result<Vec<Self>, LexError> {
        let mut walk = Walk { module: module_of(file), found: Vec::new() };
        walk.tokens(source.parse()?, &[]);
        Ok(walk.found)
    }
}

/// The module that a file holds: `analyzer/src/ovn/zones.rs` holds `ovn::zones`.
pub(super) fn module_of(file: &Path) -> Vec<String> {
    let mut names: Vec<String> = file
        .with_extension("")
        .components()
        .skip_while(|component| component.as_os_str() != "src")
        .skip(1)
        .map(|component| component.as_os_str().to_string_lossy().into_owned())
        .collect();
    if names.last().is_some_and(|name| matches!(name.as_str(), "mod" | "lib" | "main")) {
        names.pop();
    }
    names
}

struct Walk {
    /// The module that we are in, inline modules included.
    module: Vec<String>,
    found: Vec<CodePath>,
}

impl Walk {
    /// Walks tokens of one nesting level. `prefix` is the path before the braces of a `use` group.
    fn tokens(&mut self, tokens: TokenStream, prefix: &[String]) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            match token {
                TokenTree::Ident(word) if word == "as" && !prefix.is_empty() => at += 2,
                TokenTree::Ident(word) if word == "mod" => at = self.module(&tokens, at),
                TokenTree::Ident(_) => at = self.path(&tokens, at, prefix),
                TokenTree::Group(group) => {
                    let first = self.found.len();
                    self.tokens(group.stream(), &[]);
                    if is_attribute(&tokens[..at]) {
                        self.found[first..].iter_mut().for_each(|path| path.role = Role::Attribute);
                    }
                    at += 1;
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => at += 1,
            }
        }
    }

    /// Walks a module, which starts with `mod` at `at`, and gives the place behind it.
    fn module(&mut self, tokens: &[TokenTree], at: usize) -> usize {
        let (Some(TokenTree::Ident(name)), Some(TokenTree::Group(body))) = (tokens.get(at + 1), tokens.get(at + 2))
        else {
            return at + 2;
        };
        self.module.push(name.to_string());
        self.tokens(body.stream(), &[]);
        self.module.pop();
        at + 3
    }

    /// Takes the path that starts with the name at `at`, and gives the place behind it.
    fn path(&mut self, tokens: &[TokenTree], mut at: usize, prefix: &[String]) -> usize {
        let start = at;
        let mut names = prefix.to_vec();
        let mut line = 0;
        loop {
            match tokens.get(at) {
                Some(TokenTree::Ident(name)) => {
                    let name = name.to_string();
                    names.push(name.strip_prefix("r#").unwrap_or(&name).to_owned());
                }
                Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                    self.tokens(group.stream(), &names);
                    return at + 1;
                }
                Some(token) if is_punct(Some(token), '*') => names.push("*".to_owned()),
                _ => break,
            }
            line = tokens[at].span().start().line;
            at += 1;
            if !(is_punct(tokens.get(at), ':') && is_punct(tokens.get(at + 1), ':')) {
                break;
            }
            at += 2;
        }
        let role = role(tokens, start, at);
        self.found.push(CodePath { names: self.resolve(names), line, role });
        at
    }

    /// Replaces `self` and `super` at the start by the path from `crate`.
    fn resolve(&self, names: Vec<String>) -> Vec<String> {
        let above = names.iter().take_while(|name| *name == "super").count();
        let relative = above + usize::from(names.first().is_some_and(|name| name == "self"));
        if relative == 0 || names.len() == relative {
            return names;
        }
        let module = &self.module[..self.module.len().saturating_sub(above)];
        iter::once("crate".to_owned()).chain(module.iter().cloned()).chain(names.into_iter().skip(relative)).collect()
    }
}

fn role(tokens: &[TokenTree], start: usize, end: usize) -> Role {
    let before = |distance: usize| start.checked_sub(distance).and_then(|at| tokens.get(at));
    let is_word = |token: Option<&TokenTree>, word: &str| matches!(token, Some(TokenTree::Ident(it)) if it == word);
    if is_punct(tokens.get(end), '!') && matches!(tokens.get(end + 1), Some(TokenTree::Group(_))) {
        Role::Macro
    } else if is_word(before(1), "mut") && is_word(before(2), "static") && !is_punct(before(3), '\'') {
        Role::StaticMut
    } else {
        Role::Other
    }
}

/// Whether a group behind these tokens is that of an attribute, `#[...]` or `#![...]`.
fn is_attribute(before: &[TokenTree]) -> bool {
    match before {
        [.., sign, bang] if is_punct(Some(bang), '!') => is_punct(Some(sign), '#'),
        [.., sign] => is_punct(Some(sign), '#'),
        [] => false,
    }
}

fn is_punct(token: Option<&TokenTree>, sign: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(file: &str, source: &str) -> Vec<String> {
        CodePath::all_in(Path::new(file), source).unwrap().into_iter().map(|path| path.names.join("::")).collect()
    }

    fn roles(source: &str) -> Vec<(String, Role)> {
        let paths = CodePath::all_in(Path::new("src/lib.rs"), source).unwrap();
        paths.into_iter().map(|path| (path.names.join("::"), path.role)).collect()
    }

    #[test]
    fn use_groups_are_unfolded() {
        assert_eq!(
            names("analyzer/src/lib.rs", "use std::{fs, io::{self, Read as R}, net::*};"),
            ["use", "std::fs", "std::io::self", "std::io::Read", "std::net::*"]
        );
    }

    #[test]
    fn super_and_self_are_resolved_by_the_place_of_the_file_and_by_inline_modules() {
        let source = "use super::fact; use self::x::Y; mod tests { use super::*; use super::super::z; }";
        for file in ["analyzer/src/ovn/zones.rs", "analyzer/src/ovn/zones/mod.rs"] {
            assert_eq!(
                names(file, source),
                [
                    "use",
                    "crate::ovn::fact",
                    "use",
                    "crate::ovn::zones::x::Y",
                    "use",
                    "crate::ovn::zones::*",
                    "use",
                    "crate::ovn::z"
                ]
            );
        }
    }

    #[test]
    fn arguments_of_macros_are_seen_and_comments_and_strings_are_not() {
        assert_eq!(
            names("src/a.rs", "m!(\"std::fs\", std::io::stdin() /* std::thread */); // std::env"),
            ["m", "std::io::stdin"]
        );
    }

    #[test]
    fn roles_are_told_apart() {
        assert_eq!(
            roles("#[cfg_attr(x, ignore)] static mut A: &'static mut u8 = f!(1 != 2);"),
            [
                ("cfg_attr", Role::Attribute),
                ("x", Role::Attribute),
                ("ignore", Role::Attribute),
                ("static", Role::Other),
                ("mut", Role::Other),
                ("A", Role::StaticMut),
                ("static", Role::Other),
                ("mut", Role::Other),
                ("u8", Role::Other),
                ("f", Role::Macro)
            ]
            .map(|(name, role)| (name.to_owned(), role))
        );
    }

    #[test]
    fn lines_are_counted_from_one() {
        let paths = CodePath::all_in(Path::new("src/a.rs"), "\n// text\nuse a::{\n    b,\n    c::d,\n};\n").unwrap();
        assert_eq!(paths.iter().map(|path| path.line).collect::<Vec<_>>(), [3, 4, 5]);
    }
}
