//! A reader of Rust sources that finds which modules of its own crate a file names: in `use` with groups, in paths inside
//! code, and by `super::` that leaves the room.

/// A path that begins at the crate's root, without `crate`, and its line. Empty is the root itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Import {
    pub(crate) line: usize,
    pub(crate) path: Vec<String>,
}

/// All paths in `text`, the source of this module, that begin with `crate` or leave the module by `super`.
pub(crate) fn imports(text: &str, module: &[&str]) -> Vec<Import> {
    let tokens = tokens(text);
    let mut module: Vec<String> = module.iter().map(|&name| name.to_owned()).collect();
    // The depth of braces inside of which each inline module is.
    let (mut depth, mut inline) = (0_usize, Vec::new());
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(token) = tokens.get(at) {
        match token.text.as_str() {
            "{" => depth += 1,
            "}" => {
                depth = depth.saturating_sub(1);
                if inline.last() == Some(&depth) {
                    inline.pop();
                    module.pop();
                }
            }
            "mod" if tokens.get(at + 2).is_some_and(|next| next.text == "{") => {
                inline.push(depth);
                module.push(tokens[at + 1].text.clone());
            }
            "crate" | "super" | "self" if begins_a_path(&tokens, at) => {
                let mut paths = Vec::new();
                at = tree(&tokens, at, &[], &mut paths);
                found.extend(
                    paths.into_iter().filter_map(|(line, path)| Some(Import { line, path: absolute(&path, &module)? })),
                );
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Not so in `pub(crate)` and `&self`.
fn begins_a_path(tokens: &[Token], at: usize) -> bool {
    let is =
        |place: Option<usize>, text: &str| place.and_then(|at| tokens.get(at)).is_some_and(|token| token.text == text);
    let before = at.checked_sub(1);
    !is(before, "::") && (is(Some(at + 1), "::") || is(before, "use"))
}

/// Reads a path, or a tree of them, from `at`; says where it ends.
fn tree(tokens: &[Token], mut at: usize, before: &[String], found: &mut Vec<(usize, Vec<String>)>) -> usize {
    let mut path = before.to_vec();
    let line = tokens.get(at).map_or(0, |token| token.line);
    while let Some(token) = tokens.get(at) {
        match token.text.as_str() {
            "{" => {
                at += 1;
                while let Some(token) = tokens.get(at) {
                    match token.text.as_str() {
                        "}" => return at + 1,
                        "," => at += 1,
                        // A name that is given, as in `a as b`, is no path.
                        "as" => at += 2,
                        _ => at = tree(tokens, at, &path, found),
                    }
                }
                return at;
            }
            "*" => {}
            // In a group it is what stands before the group.
            "self" if !path.is_empty() => {}
            name if name.starts_with(is_of_a_name) => path.push(name.to_owned()),
            // What stands here is no path: nobody has to know how it ends.
            _ => {
                found.push((line, path));
                return at + 1;
            }
        }
        at += 1;
        if tokens.get(at).is_none_or(|next| next.text != "::") {
            break;
        }
        at += 1;
    }
    found.push((line, path));
    at
}

/// The same path from the crate's root, if it is not below the module itself.
fn absolute(path: &[String], module: &[String]) -> Option<Vec<String>> {
    let first = path.first()?;
    if first == "crate" {
        return Some(path[1..].to_vec());
    }
    let path = if first == "self" { &path[1..] } else { path };
    let ups = path.iter().take_while(|name| *name == "super").count();
    let above = &module[..module.len().saturating_sub(ups)];
    (ups > 0).then(|| [above, &path[ups..]].concat())
}

struct Token {
    line: usize,
    text: String,
}

/// Names, `::` and single characters. Comments and what is in quotes are left out.
fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let (mut tokens, mut at, mut line) = (Vec::new(), 0, 1);
    while at < chars.len() {
        let end = match skipped(&chars, at) {
            Some(end) => end,
            None => {
                let end = token_end(&chars, at);
                tokens.push(Token { line, text: chars[at..end].iter().collect() });
                end
            }
        };
        line += chars[at..end].iter().filter(|&&c| c == '\n').count();
        at = end;
    }
    tokens
}

fn token_end(chars: &[char], at: usize) -> usize {
    if chars[at..].starts_with(&[':', ':']) {
        return at + 2;
    }
    let name = chars[at..].iter().take_while(|&&c| is_of_a_name(c)).count();
    at + name.max(1)
}

/// Where the comment, the literal or the space ends that begins here.
fn skipped(chars: &[char], at: usize) -> Option<usize> {
    let rest = &chars[at..];
    let after_a_name = at > 0 && is_of_a_name(chars[at - 1]);
    match rest {
        [space, ..] if space.is_whitespace() => Some(at + 1),
        ['/', '/', ..] => Some(at + rest.iter().take_while(|&&c| c != '\n').count()),
        ['/', '*', ..] => Some(at + block_comment(rest)),
        ['"', ..] => Some(at + quoted(rest, '"')),
        // `r#name` is a name.
        ['r', '#', next, ..] if !after_a_name && is_of_a_name(*next) => Some(at + 2),
        ['r', '#' | '"', ..] if !after_a_name => Some(at + raw(rest, 1)),
        ['b' | 'c', 'r', '#' | '"', ..] if !after_a_name => Some(at + raw(rest, 2)),
        ['\'', '\\', ..] | ['\'', _, '\'', ..] => Some(at + quoted(rest, '\'')),
        // A lifetime.
        ['\'', ..] => Some(at + 1 + rest[1..].iter().take_while(|&&c| is_of_a_name(c)).count()),
        _ => None,
    }
}

/// They nest.
fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match &rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn quoted(rest: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

fn raw(rest: &[char], prefix: usize) -> usize {
    let hashes = rest[prefix..].iter().take_while(|&&c| c == '#').count();
    let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let inside = prefix + hashes + 1;
    let length = rest[inside.min(rest.len())..].windows(end.len()).position(|window| window == end);
    length.map_or(rest.len(), |length| inside + length + end.len())
}

fn is_of_a_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `line path` of each import.
    fn read(text: &str, module: &[&str]) -> Vec<String> {
        imports(text, module).iter().map(|import| format!("{} {}", import.line, import.path.join("::"))).collect()
    }

    #[track_caller]
    fn reads(text: &str, expected: &[&str]) {
        assert_eq!(read(text, &["tui", "panes", "node"]), expected, "{text}");
    }

    #[test]
    fn plain_paths_are_read_in_imports_and_in_code() {
        reads("use crate::hub::Hub;", &["1 hub::Hub"]);
        reads("pub use crate::hub;", &["1 hub"]);
        reads("pub(crate) use crate::hub::*;", &["1 hub"]);
        reads(
            "fn f(x: &crate::hub::Hub) -> crate::store::Rows<crate::boot::A> {}",
            &["1 hub::Hub", "1 store::Rows", "1 boot::A"],
        );
        reads("crate\n    ::hub\n    :: Hub", &["1 hub::Hub"]);
        reads("use r#crate::x; use crate::r#hub::Hub;", &["1 x", "1 hub::Hub"]);
        reads("$crate::hub::go!()", &["1 hub::go"]);
        reads("a < crate::hub::MAX && b", &["1 hub::MAX"]);
        reads("use crate::hub::Hub as Centre;", &["1 hub::Hub"]);
    }

    #[test]
    fn groups_are_read_over_lines_and_in_groups() {
        reads("use crate::{hub, store::Rows};", &["1 hub", "1 store::Rows"]);
        reads(
            "pub use crate::{\n    domain::{node::{Node, self}, phase::*},\n    hub::Hub as Centre,\n};",
            &["2 domain::node::Node", "2 domain::node", "2 domain::phase", "3 hub::Hub"],
        );
        reads(
            "use crate::{domain::ids, // crate::store\n    /* hub, */ boot::{dhcp, tftp as t,},};use crate::inbox;",
            &["1 domain::ids", "2 boot::dhcp", "2 boot::tftp", "2 inbox"],
        );
        reads("use { crate::hub, crate::store::{Rows} };", &["1 hub", "1 store::Rows"]);
    }

    #[test]
    fn a_path_upwards_is_read_from_the_root() {
        reads("use super::super::super::hub::Hub;", &["1 hub::Hub"]);
        reads("use super::super::super::{hub, store::Rows};", &["1 hub", "1 store::Rows"]);
        reads("use super::{super::super::hub, status};", &["1 hub", "1 tui::panes::status"]);
        reads("use super::super::theme; super::list();", &["1 tui::theme", "1 tui::panes::list"]);
        reads("use self::super::super::super::hub;", &["1 hub"]);
        assert_eq!(read("use super::hub;", &["clock"]), ["1 hub"]);
    }

    #[test]
    fn an_inline_module_is_one_floor_more() {
        let text = "use super::a;\nmod tests {\n    use super::super::b;\n    mod deep { fn f() { super::super::super::c(); } }\n    use super::d;\n}\nuse super::e;";
        assert_eq!(read(text, &["clock"]), ["1 a", "3 b", "4 c", "5 clock::d", "7 e"]);
    }

    #[test]
    fn the_root_itself_is_an_import() {
        reads("use crate as all;", &["1 "]);
        reads("use crate::*;", &["1 "]);
        reads("use crate::{self as all};", &["1 "]);
        reads("use super::super::super as all;", &["1 "]);
    }

    #[test]
    fn what_is_no_path_is_no_import() {
        reads("pub(crate) fn f(self) -> Self { self.crate_name; superb::x; my_crate::hub }", &[]);
        reads("pub(super) struct A(pub(crate) u8);", &[]);
        reads("// use crate::hub;\n/// crate::hub\n//! [`crate::hub`]\n/* crate::hub /* crate::a */ crate::b */", &[]);
        reads(
            r##"let a = "crate::hub \" crate::store"; let b = r#"crate::hub " crate::b"#; let c = br"crate::c";"##,
            &[],
        );
        reads("let q = '\"'; let l: &'static str = x; let c = '\\''; crate::hub::f('a');", &["1 hub::f"]);
        reads("use self::rows::Row; self::rows::go(); use rows::Row;", &[]);
    }
}
