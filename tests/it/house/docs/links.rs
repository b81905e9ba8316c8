//! The links of a Markdown page, and which of them lead nowhere.
//!
//! As much of Markdown as the project's own pages use: inline links, link definitions, headings, code blocks and code spans.
//! Anchors are made of headings as forges make them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Every relative link of `page` that points at no file, or at no heading of it, as `page:line: what`.
pub(crate) fn broken(page: &Path) -> Vec<String> {
    let text = fs::read_to_string(page).unwrap_or_else(|err| panic!("{}: {err}", page.display()));
    let wrong = links(&text).into_iter().filter_map(|(line, target)| {
        let why = fault(page, &text, &target)?;
        Some(format!("{}:{line}: {target}: {why}", page.display()))
    });
    wrong.collect()
}

/// Why `target`, a link of `page`, leads nowhere; none if it does not, or leads to another site.
fn fault(page: &Path, text: &str, target: &str) -> Option<&'static str> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    if target.starts_with('/') {
        return Some("a path from the root means something else on a forge and in the book");
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = page.parent().unwrap_or(Path::new("")).join(file);
    let has = |text: &str| anchor.is_empty() || anchors(text).iter().any(|known| known == anchor);
    match file {
        "" if has(text) => None,
        "" => Some("no heading of this page has that anchor"),
        _ if !path.exists() => Some("there is no such file"),
        _ if !file.ends_with(".md") => None,
        _ => match fs::read_to_string(&path) {
            Ok(text) if has(&text) => None,
            Ok(_) => Some("no heading of that page has that anchor"),
            Err(_) => Some("that page cannot be read"),
        },
    }
}

/// The targets of all links, each with its line.
pub(crate) fn links(text: &str) -> Vec<(usize, String)> {
    let prose = without_spans(&without_blocks(text));
    let mut found = Vec::new();
    for (at, _) in prose.match_indices("](") {
        let rest = &prose[at + 2..];
        let end = rest.find(')').unwrap_or(rest.len());
        let target = rest[..end].split_whitespace().next().unwrap_or_default();
        found.push((line_of(&prose, at), target.to_owned()));
    }
    for (number, line) in prose.lines().enumerate() {
        let definition = line.trim_start().strip_prefix('[').and_then(|rest| rest.split_once("]: "));
        if let Some((_, target)) = definition {
            found.push((number + 1, target.split_whitespace().next().unwrap_or_default().to_owned()));
        }
    }
    found
}

/// The anchors of all headings.
pub(crate) fn anchors(text: &str) -> Vec<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let blocks = without_blocks(text);
    let headings = blocks.lines().filter_map(|line| {
        let title = line.trim_start_matches('#');
        (title.len() < line.len() && title.starts_with(' ')).then(|| slug(title.trim()))
    });
    let number = |slug: String| match seen.entry(slug.clone()).and_modify(|times| *times += 1).or_insert(0) {
        0 => slug,
        times => format!("{slug}-{times}"),
    };
    headings.map(number).collect()
}

/// A heading in small letters, with hyphens for spaces and without all other signs.
fn slug(title: &str) -> String {
    let mut shown = title.to_owned();
    // Of a link only its words are shown.
    while let Some((start, end)) = shown.find("](").and_then(|at| Some((at, at + shown[at..].find(')')?))) {
        shown.replace_range(start..=end, "");
    }
    let kept = shown.to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The text with an empty line for each line of a code block.
fn without_blocks(text: &str) -> String {
    let mut fence: Option<&str> = None;
    let mut prose = String::new();
    for line in text.lines() {
        let marker = ["```", "~~~"].into_iter().find(|marker| line.trim_start().starts_with(marker));
        match (fence, marker) {
            (None, None) => prose.push_str(line),
            (None, Some(_)) => fence = marker,
            (Some(open), Some(marker)) if open == marker => fence = None,
            (Some(_), _) => {}
        }
        prose.push('\n');
    }
    prose
}

/// The text with spaces for the content of code spans, which may run over lines but not over a paragraph.
fn without_spans(text: &str) -> String {
    let mut prose = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('`') {
        let (before, from) = rest.split_at(start);
        let ticks = from.len() - from.trim_start_matches('`').len();
        let (open, after) = from.split_at(ticks);
        prose.push_str(before);
        let paragraph = after.find("\n\n").unwrap_or(after.len());
        match closing(&after[..paragraph], ticks) {
            Some(end) => {
                let blank = after[..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' });
                prose.extend(blank);
                rest = &after[end + ticks..];
            }
            None => {
                prose.push_str(open);
                rest = after;
            }
        }
    }
    prose.push_str(rest);
    prose
}

/// Where the next run of exactly so many backticks begins.
fn closing(text: &str, ticks: usize) -> Option<usize> {
    let mut at = 0;
    while let Some(start) = text[at..].find('`') {
        let run = text[at + start..].len() - text[at + start..].trim_start_matches('`').len();
        if run == ticks {
            return Some(at + start);
        }
        at += start + run;
    }
    None
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

#[test]
fn links_and_headings_are_found_outside_of_code() {
    let page = "# The `first` page, [with](a.md#b) a link!\n\nSee [`x.toml`](../x.toml) and `[no](link.md)`,\n\
        [two\nlines](b.md \"title\"). A `span\n[over](lines.md)` ends.\n\n```\n# no heading\n[no](code.md)\n```\n\n\
        ## Same\n\n## Same\n\n[named]: c.md\n";
    let targets: Vec<(usize, String)> = links(page);
    let targets: Vec<(usize, &str)> = targets.iter().map(|(line, target)| (*line, target.as_str())).collect();
    assert_eq!(targets, [(1, "a.md#b"), (3, "../x.toml"), (5, "b.md"), (17, "c.md")]);
    assert_eq!(anchors(page), ["the-first-page-with-a-link", "same", "same-1"]);
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let folder = tempfile::TempDir::new().expect("a directory");
    let page = folder.path().join("page.md");
    fs::write(folder.path().join("other.md"), "# Other\n\n## `[table]` of *things*\n").expect("written");
    let wrong = |text: &str| {
        fs::write(&page, text).expect("written");
        broken(&page)
            .into_iter()
            .map(|fault| fault.split_once(".md:").expect("a place").1.to_owned())
            .collect::<Vec<_>>()
    };
    let right = "# Page\n[a](other.md#table-of-things) [b](#page) [c](https://example.org/none) [d](other.md)\n";
    assert_eq!(wrong(right), [""; 0]);
    assert_eq!(wrong("[a](gone.md)"), ["1: gone.md: there is no such file"]);
    assert_eq!(wrong("\n[a](other.md#gone)"), ["2: other.md#gone: no heading of that page has that anchor"]);
    assert_eq!(wrong("[a](#gone)"), ["1: #gone: no heading of this page has that anchor"]);
    assert_eq!(wrong("[a](/other.md)").len(), 1);
}
