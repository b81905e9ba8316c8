//! The profiles, the images they name, and what is wrong with either.
//!
//! ```text
//! ┌ Profiles and images ─────────────────────────────────────┐
//! │ ✓ emt-s     default, 9 nodes                              │
//! │   Edge Microvisor Toolkit 3.1                             │
//! │   for press-01, press-02 and 7 more                       │
//! │   edge.raw.gz: raw.gz, 1.2 GB, 8.0 GB on the disk         │
//! │                                                           │
//! │ ! lab.toml:3: unknown field `imagee`                      │
//! │   hint: compare it with the explained profiles/demo.toml  │
//! └───────────────────────────────────────────────────────────┘
//! ```

use ratatui::text::{Line, Span};

use crate::domain::diagnostic::Diagnostic;
use crate::domain::machine::disk::in_bytes;
use crate::domain::profile::image::ImageState;
use crate::domain::profile::{Install, Profile};
use crate::domain::snapshot::Snapshot;
use crate::domain::text::clean;
use crate::tui::state::Screen;
use crate::tui::style::text::count;
use crate::tui::style::theme::Meaning;
use crate::tui::style::widgets::{ProblemText, bar, paragraph, problem};

pub fn lines(screen: &Screen, bench: &Snapshot, width: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for profile in bench.catalogue.profiles.values() {
        lines.extend(about(screen, bench, profile, width));
        lines.push(Line::default());
    }
    if bench.catalogue.profiles.is_empty() {
        let text = "There is no profile that can be used: no machine gets anything.";
        lines.extend(paragraph(Span::raw(" "), text, screen.theme.style(Meaning::Plain), width));
        lines.push(Line::default());
    }
    for diagnostic in &bench.catalogue.diagnostics {
        lines.extend(problem(&screen.theme, &complaint(screen, diagnostic), width));
    }
    lines
}

/// What is wrong with profiles and images, each with what to try.
pub fn problems(screen: &Screen, bench: &Snapshot) -> Vec<ProblemText> {
    let broken = files(bench).filter_map(|(name, state)| match state {
        ImageState::Broken { what, hint } => Some(wrong(screen, format!("image {name}: {what}"), hint)),
        ImageState::Checking { .. } | ImageState::Ready(_) => None,
    });
    let others = not_the_demanded(bench).map(|(what, hint)| wrong(screen, what, &hint));
    let diagnostics = bench.catalogue.diagnostics.iter().map(|diagnostic| complaint(screen, diagnostic));
    broken.chain(others).chain(diagnostics).collect()
}

/// How many things are wrong with profiles and images.
pub fn problem_count(bench: &Snapshot) -> usize {
    let broken = files(bench).filter(|(_, state)| matches!(state, ImageState::Broken { .. }));
    broken.count() + not_the_demanded(bench).count() + bench.catalogue.diagnostics.len()
}

/// The files that profiles need.
fn files(bench: &Snapshot) -> impl Iterator<Item = (&String, &ImageState)> {
    bench.catalogue.images.iter().chain(&bench.catalogue.boot_files)
}

/// Files that are good, but not what is demanded: what, and what to try.
fn not_the_demanded(bench: &Snapshot) -> impl Iterator<Item = (String, String)> {
    let catalogue = &bench.catalogue;
    let known = |profile: &Profile, name: &str| match profile.install {
        Install::Image(_) => catalogue.images.get(name),
        Install::Installer(_) => catalogue.boot_files.get(name),
    };
    catalogue.profiles.values().flat_map(move |profile| {
        let files = catalogue.files(profile).into_iter();
        files.filter_map(move |(name, judged)| match (known(profile, name), judged) {
            (Some(ImageState::Ready(_)), Some(ImageState::Broken { what, hint })) => Some((what, hint)),
            _ => None,
        })
    })
}

fn about(screen: &Screen, bench: &Snapshot, profile: &Profile, width: usize) -> Vec<Line<'static>> {
    let (theme, catalogue) = (&screen.theme, &bench.catalogue);
    let glyphs = theme.glyphs;
    let is_default = catalogue.default_profile.as_ref() == Some(&profile.id);
    let gets = |assigned: Option<_>| assigned == Some(&profile.id) || assigned.is_none() && is_default;
    let of_it: Vec<String> =
        bench.nodes.values().filter(|node| gets(node.profile.as_ref())).map(|node| node.label()).collect();
    let nodes = count(of_it.len(), "node");
    let used = if is_default { format!("default, {nodes}") } else { nodes };
    let used = if profile.secure_boot { format!("{used}, Secure Boot") } else { used };
    let files = catalogue.files(profile);
    let is_ready = |state: &Option<ImageState>| matches!(state, Some(ImageState::Ready(_)));
    let is_broken = |state: &Option<ImageState>| matches!(state, Some(ImageState::Broken { .. }));
    let (glyph, meaning) = if files.iter().any(|(_, state)| is_broken(state)) {
        (glyphs.failed, Meaning::Failure)
    } else if files.iter().all(|(_, state)| is_ready(state)) {
        (glyphs.provisioned, Meaning::Success)
    } else {
        (glyphs.active, Meaning::Active)
    };
    let plain = theme.style(Meaning::Plain);
    let mut lines = vec![Line::from(vec![
        Span::styled(format!(" {glyph} {:<18} ", profile.id.as_str()), theme.style(meaning)),
        Span::raw(used),
    ])];
    if profile.title != profile.id.as_str() {
        lines.extend(paragraph(Span::raw("   "), &clean(&profile.title, WORDS), theme.style(Meaning::Title), width));
    }
    if let Some(description) = &profile.description {
        lines.extend(paragraph(Span::raw("   "), &clean(description, WORDS), theme.style(Meaning::Muted), width));
    }
    if !of_it.is_empty() {
        let text = format!("for {}", named(&of_it));
        lines.extend(paragraph(Span::raw("   "), &clean(&text, WORDS), theme.style(Meaning::Muted), width));
    }
    for (name, state) in &files {
        let words = clean(&in_words(screen, profile, name, state.as_ref()), WORDS);
        lines.extend(paragraph(Span::raw("   "), &words, plain, width));
        if let Some(ImageState::Broken { what, hint }) = state {
            lines.extend(problem(theme, &wrong(screen, what.clone(), hint), width));
            let source = profile.source.iter().map(|source| clean(&format!("it comes from: {source}"), WORDS));
            lines.extend(source.flat_map(|text| paragraph(Span::raw("   "), &text, plain, width)));
        }
    }
    lines
}

/// The first few names, and how many more there are.
fn named(names: &[String]) -> String {
    let shown = names.iter().take(NAMES).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMES) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// What is known of a file.
fn in_words(screen: &Screen, profile: &Profile, name: &str, state: Option<&ImageState>) -> String {
    match (state, &profile.install) {
        (Some(ImageState::Ready(info)), Install::Image(_)) => {
            let (packed, on_disk) = (in_bytes(info.bytes), in_bytes(info.disk_bytes));
            format!("{name}: {}, {packed}, {on_disk} on the disk", info.format.word())
        }
        (Some(ImageState::Ready(info)), Install::Installer(_)) => {
            format!("{name}: {}, loaded as it is", in_bytes(info.bytes))
        }
        (Some(ImageState::Checking { done, total }), _) => {
            let percent = u8::try_from(u128::from(*done) * 100 / u128::from((*total).max(1))).unwrap_or(100).min(100);
            format!("{name}: being checked {} {percent}%", bar(screen.theme.glyphs, percent, 20))
        }
        (None, _) => format!("{name}: not checked yet"),
        (Some(ImageState::Broken { .. }), _) => format!("{name} cannot be used"),
    }
}

fn complaint(screen: &Screen, diagnostic: &Diagnostic) -> ProblemText {
    let place = match diagnostic.line {
        Some(line) => format!("{}:{line}", diagnostic.file),
        None => diagnostic.file.clone(),
    };
    wrong(screen, format!("{place}: {}", diagnostic.what), &diagnostic.hint)
}

fn wrong(screen: &Screen, what: String, hint: &str) -> ProblemText {
    ProblemText { meaning: Meaning::Warning, glyph: screen.theme.glyphs.stalled, what, hint: Some(hint.to_owned()) }
}

const WORDS: usize = 400;
/// Nodes that are named.
const NAMES: usize = 5;
