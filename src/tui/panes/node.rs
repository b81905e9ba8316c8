//! One node: how far it is, what is in its way, who it is, and its attempts.
//!
//! ```text
//! ┌ press-03 ──────────────────────────────────────── ✗ failed for 3:12 ┐
//! │ ✗ failed at verifying: 4 GB read back from the disk have digest a1b…  │
//! │   hint: the disk does not keep what is written: replace it            │
//! │                                                                       │
//! │ ✓ seen 2s  ✓ loader 3s  ✓ script 1s  ✓ kernel 9s  ✓ agent 2s          │
//! │ ✓ writing 1:12  ✗ verifying 14s  · configuring  · rebooting           │
//! │                                                                       │
//! │ 14:02:11     DISCOVER by UEFI x64 > offered 10.77.0.100, snponly.efi  │
//! │                                                                       │
//! │ serial   SN-0003                       MAC      52:54:00:12:34:03     │
//! │ disk     /dev/nvme0n1 (nvme, 512.1 GB, Acme NV2)                      │
//! │ run 2    ✗ failed at verifying after 1:43, profile emt-s              │
//! │                                                                       │
//! │ processor 12th Gen Intel(R) Core(TM) i5-1245UE, 12 threads            │
//! └───────────────────────────────────────────────────────────────────────┘
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::domain::doctor::trail::TrailEntry;
use crate::domain::doctor::verdict::{Diagnosis, Severity};
use crate::domain::machine::disk::in_bytes;
use crate::domain::machine::inventory::Inventory;
use crate::domain::machine::progress::StepProgress;
use crate::domain::node::Node;
use crate::domain::node::edit::SITE;
use crate::domain::node::phase::{Phase, SAID_DONE, Stage};
use crate::domain::node::question::Question;
use crate::domain::node::run::{Run, RunOutcome};
use crate::domain::snapshot::Snapshot;
use crate::domain::station::plan::BootPlan;
use crate::domain::text::clean;
use crate::domain::time::{Timestamp, in_words};
use crate::tui::state::Screen;
use crate::tui::style::glyphs::Glyphs;
use crate::tui::style::status::NodeStatus;
use crate::tui::style::text::{age, clock, cut, width as width_of};
use crate::tui::style::theme::Meaning;
use crate::tui::style::widgets::{ProblemText, bar, boxed, paragraph, part, problem, text, whole_or};

pub fn view(screen: &Screen, bench: &Snapshot, node: Option<&std::sync::Arc<Node>>, area: Rect, frame: &mut Frame<'_>) {
    let theme = &screen.theme;
    let strong = theme.style(Meaning::Title);
    let Some(node) = node else {
        boxed(theme, Line::styled("Node", strong), Line::default(), area, frame);
        return;
    };
    let now = screen.moment();
    let (status, verdict) = NodeStatus::judged(bench, node, now);
    let since = match status {
        NodeStatus::Stalled(silent) => format!("silent for {}", age(silent)),
        _ => format!("for {}", age(now.since(node.phase_since))),
    };
    let remark = Line::from(vec![
        Span::styled(format!("{} {}", status.glyph(theme.glyphs), status.word()), theme.style(status.meaning())),
        Span::raw(format!(" {since}")),
    ]);
    let (width, height) = (usize::from(area.width.saturating_sub(2)), usize::from(area.height.saturating_sub(2)));
    let mut lines = lines(screen, bench, node, (status, verdict.as_ref()), width, height);
    let (mut remark, mut scrolled) = (remark, 0);
    if screen.whole {
        scrolled = screen.scrolled;
        let part = part(lines.len(), scrolled, height);
        let between = if part.width() > 0 { ", " } else { "" };
        remark.spans.extend([Span::raw(between)].into_iter().chain(part));
    } else {
        lines = whole_or(lines, height, ": Enter shows all");
    }
    let room = usize::from(area.width).saturating_sub(remark.width() + 8);
    let title = Line::styled(cut(&clean(&node.label(), WORDS), room.max(8)), strong);
    let inner = boxed(theme, title, remark, area, frame);
    text(&lines, scrolled, inner, frame);
}

/// How many lines there are of the open node, where it has the page for itself.
pub fn extent(screen: &Screen, bench: &Snapshot) -> usize {
    let (Some(node), Some(plan)) = (screen.node(bench), screen.plan()) else { return 0 };
    let (status, verdict) = NodeStatus::judged(bench, node, screen.moment());
    let (width, height) = (plan.table.width.saturating_sub(2), plan.table.height.saturating_sub(2));
    lines(screen, bench, node, (status, verdict.as_ref()), width.into(), height.into()).len()
}

/// What is said of `node`, the most useful first, with empty lines between as far as `height` has room.
fn lines(
    screen: &Screen,
    bench: &Snapshot,
    node: &Node,
    (status, verdict): (NodeStatus, Option<&Diagnosis>),
    width: usize,
    height: usize,
) -> Vec<Line<'static>> {
    let mut parts = [
        [trouble(screen, bench, node, (status, verdict), width), warnings(screen, node, width)].concat(),
        stages(screen, node, status, width),
        moving(screen, node, status, width),
        Vec::new(),
        identity(screen, bench, node, width),
        runs(screen, node, width),
        parts_of(screen, node, width),
    ];
    // Who asks why wants to see what happened; else it has what room there is.
    let needed = parts.iter().filter(|part| !part.is_empty()).map(|part| part.len() + 1).sum();
    let least = if verdict.is_some() { LEAST } else { 0 };
    parts[3] = timeline(screen, bench, node, height.saturating_sub(needed).clamp(least, MOST), width);
    let mut spare = height.saturating_sub(parts.iter().map(Vec::len).sum());
    let mut lines = Vec::new();
    for part in parts.into_iter().filter(|part| !part.is_empty()) {
        if spare > 0 && !lines.is_empty() {
            spare -= 1;
            lines.push(Line::default());
        }
        lines.extend(part);
    }
    lines
}

/// What it did last and was answered, from the latest back, as many as there is room for.
fn timeline(screen: &Screen, bench: &Snapshot, node: &Node, room: usize, width: usize) -> Vec<Line<'static>> {
    let trail = bench.doctor.latest(node).and_then(|mac| bench.doctor.trail(mac));
    let Some(trail) = trail.filter(|_| room > 0) else { return Vec::new() };
    let (muted, skipped) = (screen.theme.style(Meaning::Muted), trail.entries().len().saturating_sub(room));
    let row = |entry: &TrailEntry| {
        let times = if entry.times > 1 { format!("x{}", entry.times) } else { String::new() };
        let head = format!(" {} {times:<4}", clock(&screen.zone, entry.first));
        let words = cut(&clean(&entry.what.to_string(), WORDS), width.saturating_sub(width_of(&head)));
        Line::from(vec![Span::styled(head, muted), Span::raw(words)])
    };
    trail.entries().skip(skipped).map(row).collect()
}

/// How a verdict is marked.
pub(super) fn look(severity: Severity, glyphs: &Glyphs) -> (Meaning, &'static str) {
    match severity {
        Severity::Failure => (Meaning::Failure, glyphs.failed),
        Severity::Warning => (Meaning::Warning, glyphs.stalled),
        Severity::Notice => (Meaning::Notice, glyphs.held),
    }
}

/// Every stage with how long it took, or has lasted.
fn stages(screen: &Screen, node: &Node, status: NodeStatus, width: usize) -> Vec<Line<'static>> {
    let (theme, glyphs) = (&screen.theme, screen.theme.glyphs);
    let reached_at = |stage: Stage| node.stages.iter().find(|(known, _)| *known == stage).map(|(_, at)| *at);
    let present = node.stages.last().map(|(stage, _)| *stage);
    let mut pieces = Vec::new();
    for stage in node.path().iter().copied() {
        let piece = match reached_at(stage) {
            // A stage that this boot did not need, as the loader of firmware that speaks HTTP, or is yet to come.
            None => (glyphs.registered, stage.word().to_owned(), Meaning::Muted),
            Some(_) if stage == Stage::Provisioned => (glyphs.provisioned, stage.word().to_owned(), Meaning::Success),
            Some(at) if Some(stage) == present => {
                let until = if matches!(node.phase, Phase::Failed(_) | Phase::Installed) {
                    node.phase_since
                } else {
                    screen.moment()
                };
                (status.glyph(glyphs), format!("{} {}", stage.word(), age(until.since(at))), status.meaning())
            }
            Some(at) => {
                let next = node.stages.iter().map(|(_, next)| *next).find(|next| *next > at).unwrap_or(at);
                (glyphs.provisioned, format!("{} {}", stage.word(), in_words(next.since(at))), Meaning::Success)
            }
        };
        pieces.push(piece);
    }
    let mut lines: Vec<Line<'static>> = Vec::new();
    for (glyph, words, meaning) in pieces {
        let piece = Span::styled(format!(" {glyph} {words} "), theme.style(meaning));
        match lines.last_mut().filter(|line| line.width() + piece.width() <= width) {
            Some(line) => line.push_span(piece),
            None => lines.push(piece.into()),
        }
    }
    lines
}

/// The bytes of the present step.
fn moving(screen: &Screen, node: &Node, status: NodeStatus, width: usize) -> Vec<Line<'static>> {
    let Some(progress) = node.progress.as_ref().filter(|_| node.phase.is_active()) else { return Vec::new() };
    let (theme, now) = (&screen.theme, screen.moment());
    let percent = progress.percent();
    let mut facts =
        vec![format!("{percent:>3}%"), format!("{} of {}", in_bytes(progress.done), in_bytes(progress.total))];
    match progress.rate(now) {
        0 => facts.push("nothing moves".into()),
        rate => facts.push(format!("{}/s", in_bytes(rate))),
    }
    facts.extend(progress.left(now).map(|left| format!("{} left", in_words(left))));
    let bar_width = width.saturating_sub(2).min(if width < 60 { 40 } else { 30 });
    let bar = Span::styled(format!(" {} ", bar(theme.glyphs, percent, bar_width)), theme.style(status.meaning()));
    let mut facts = facts.join("  ");
    let room = if bar.width() + width_of(&facts) < width { width - bar.width() } else { width };
    for more in fetching(progress, now) {
        if width_of(&facts) + width_of(&more) + 3 < room {
            facts = format!("{facts}  {more}");
        }
    }
    if bar.width() + width_of(&facts) < width {
        vec![Line::from(vec![bar, Span::raw(facts)])]
    } else {
        vec![bar.into(), Line::raw(cut(&format!(" {facts}"), width))]
    }
}

/// What there is to say of the download, where there is room.
fn fetching(progress: &StepProgress, now: Timestamp) -> impl Iterator<Item = String> {
    let retries = match progress.arrived.retries {
        0 => None,
        1 => Some("1 retry".to_owned()),
        retries => Some(format!("{retries} retries")),
    };
    let rate = Some(progress.network_rate(now)).filter(|rate| *rate > 0);
    retries.into_iter().chain(rate.map(|rate| format!("network {}/s", in_bytes(rate))))
}

/// What is in its way and what to try.
fn trouble(
    screen: &Screen,
    bench: &Snapshot,
    node: &Node,
    (status, verdict): (NodeStatus, Option<&Diagnosis>),
    width: usize,
) -> Vec<Line<'static>> {
    if let Some(Diagnosis { stage, severity, what, hint, .. }) = verdict {
        let (meaning, glyph) = look(*severity, screen.theme.glyphs);
        let what =
            if *severity == Severity::Notice { what.clone() } else { format!("stopped at {}: {what}", stage.word()) };
        let found = ProblemText { meaning, glyph, what, hint: Some(hint.clone()) };
        return problem(&screen.theme, &found, width);
    }
    let (what, hint) = match (&node.phase, status) {
        (Phase::Failed(failure), _) => {
            let what = format!("failed at {}: {}", failure.stage.word(), failure.reason);
            (what, Some(failure.kind.hint().to_owned()))
        }
        (Phase::Conflict { reason }, _) => (reason.clone(), None),
        (Phase::Held { reason }, _) => match node.question() {
            Some(question) => return asked(screen, question, status, width),
            None => (format!("held: {reason}"), None),
        },
        (Phase::Booting { stage }, NodeStatus::Stalled(silent)) => {
            let what = format!("nothing heard for {}, last at {}", age(silent), stage.word());
            (what, Some("look at the machine's own console; check its cable and power, then start it again".into()))
        }
        (Phase::Registered, _) => match bench.catalogue.install(node.profile.as_ref()) {
            BootPlan::Install(_) | BootPlan::LocalDisk => return Vec::new(),
            BootPlan::Wait(wait) => (format!("it would wait: {wait}"), None),
            BootPlan::Refuse(refuse) => (format!("it would get nothing: {refuse}"), None),
        },
        (Phase::Installed, _) => (SAID_DONE.to_owned(), Some("start it from its disk and look".into())),
        (Phase::Booting { .. } | Phase::Provisioned, _) => return Vec::new(),
    };
    let (meaning, glyph) = (status.meaning(), status.glyph(screen.theme.glyphs));
    problem(&screen.theme, &ProblemText { meaning, glyph, what, hint }, width)
}

/// What a person should know of the latest attempt.
fn warnings(screen: &Screen, node: &Node, width: usize) -> Vec<Line<'static>> {
    let (meaning, glyph) = (Meaning::Warning, screen.theme.glyphs.stalled);
    let texts = node.run().into_iter().flat_map(|run| run.warnings.iter());
    let all = texts.flat_map(|what| {
        problem(&screen.theme, &ProblemText { meaning, glyph, what: what.clone(), hint: None }, width)
    });
    all.collect()
}

/// What a person is asked, and what hangs on it.
fn asked(screen: &Screen, question: &Question, status: NodeStatus, width: usize) -> Vec<Line<'static>> {
    let (meaning, glyph) = (status.meaning(), status.glyph(screen.theme.glyphs));
    let of = |what: String, hint: &str| {
        problem(&screen.theme, &ProblemText { meaning, glyph, what, hint: Some(hint.to_owned()) }, width)
    };
    match question {
        Question::Write { disk, .. } => {
            let hint = format!("a approves it; what the disk holds is lost then: {}", disk.holds());
            of(question.to_string(), &hint)
        }
        Question::Differs { profile, differences } => {
            let dash = |text: &String| {
                paragraph(Span::raw("   - "), &clean(text, WORDS), screen.theme.style(Meaning::Plain), width)
            };
            let hint = "a lets it pass this once; or correct the machine or its profile: it goes on by itself";
            let what = format!("held: it is not what profile {profile} expects");
            let first = problem(&screen.theme, &ProblemText { meaning, glyph, what, hint: None }, width);
            let key = Span::styled("   hint: ", screen.theme.style(Meaning::Key));
            let last = paragraph(key, hint, screen.theme.style(Meaning::Plain), width);
            first.into_iter().chain(differences.iter().flat_map(dash)).chain(last).collect()
        }
        Question::Unknown => of(question.to_string(), "use the newer station"),
    }
}

/// Who it is and what it has.
fn identity(screen: &Screen, bench: &Snapshot, node: &Node, width: usize) -> Vec<Line<'static>> {
    let now = screen.moment();
    let product = [&node.manufacturer, &node.product].into_iter().flatten().cloned().collect::<Vec<_>>().join(" ");
    let own = match (&node.profile, &bench.catalogue.default_profile) {
        (Some(own), _) => format!("{own}, assigned"),
        (None, Some(default)) => format!("{default}, the default"),
        (None, None) => "none".into(),
    };
    let unknown = || "not known yet".to_owned();
    let mut facts = vec![
        ("serial", node.serial.as_ref().map_or_else(unknown, ToString::to_string)),
        ("MAC", node.macs.first().map_or_else(unknown, ToString::to_string)),
        ("product", if product.is_empty() { unknown() } else { product }),
        ("address", node.address.map_or_else(|| "none yet".into(), |address| address.to_string())),
        ("profile", own),
        ("firmware", node.firmware.map_or_else(unknown, |firmware| firmware.word().to_owned())),
        ("registered", if node.registered { "yes".into() } else { "no, only seen".into() }),
        ("last seen", node.last_seen.map_or_else(|| "never".into(), |seen| format!("{} ago", age(now.since(seen))))),
    ];
    facts.extend(node.macs.iter().skip(1).map(|mac| ("also MAC", mac.to_string())));
    facts.extend(node.uuid.map(|uuid| ("UUID", uuid.to_string())));
    facts.extend(node.hostname.iter().map(|name| ("hostname", name.to_string())));
    facts.extend(node.metadata.get(SITE).map(|site| ("site", site.clone())));
    facts.extend(node.listed.iter().map(|row| ("list", row.to_string())));
    facts.extend(node.disks.iter().map(|disk| ("disk", disk.in_full())));
    flow(screen, facts, width)
}

/// What it is made of beside its disks.
fn parts_of(screen: &Screen, node: &Node, width: usize) -> Vec<Line<'static>> {
    flow(screen, node.inventory.iter().flat_map(Inventory::facts).collect(), width)
}

/// Facts two on a line where they fit.
fn flow(screen: &Screen, facts: Vec<(&'static str, String)>, width: usize) -> Vec<Line<'static>> {
    let muted = screen.theme.style(Meaning::Muted);
    let half = width / 2;
    let mut lines: Vec<Line<'static>> = Vec::new();
    let mut open = false;
    for (name, value) in facts {
        let head = Span::styled(format!(" {name:<LABEL$}"), muted);
        let value = clean(&value, WORDS);
        let short = width >= 72 && head.width() + width_of(&value) < half;
        match lines.last_mut().filter(|_| open && short) {
            Some(line) => {
                line.push_span(Span::raw(" ".repeat(half.saturating_sub(line.width()))));
                line.push_span(head);
                line.push_span(Span::raw(value));
                open = false;
            }
            None => {
                lines.extend(paragraph(head, &value, screen.theme.style(Meaning::Plain), width));
                open = short;
            }
        }
    }
    lines
}

/// The latest attempts, the newest first.
fn runs(screen: &Screen, node: &Node, width: usize) -> Vec<Line<'static>> {
    let numbered = node.runs.iter().enumerate().rev().take(RUNS);
    numbered.map(|(at, run)| attempt(screen, at + 1, run, width)).collect()
}

fn attempt(screen: &Screen, number: usize, run: &Run, width: usize) -> Line<'static> {
    let (theme, glyphs) = (&screen.theme, screen.theme.glyphs);
    let lasted = in_words(run.ended.unwrap_or(screen.moment()).since(run.started));
    let (glyph, outcome, meaning) = match &run.outcome {
        None => (glyphs.active, format!("running for {lasted}"), Meaning::Active),
        Some(RunOutcome::Proven) => (glyphs.provisioned, format!("proven after {lasted}"), Meaning::Success),
        Some(RunOutcome::SaidDone) => {
            (glyphs.installed, format!("its installer said it was done after {lasted}"), Meaning::Notice)
        }
        Some(RunOutcome::Failed(failure)) => {
            (glyphs.failed, format!("failed at {} after {lasted}", failure.stage.word()), Meaning::Failure)
        }
        Some(RunOutcome::Interrupted) => (glyphs.stalled, format!("interrupted after {lasted}"), Meaning::Warning),
        Some(RunOutcome::Unknown) => (glyphs.held, format!("ended after {lasted}"), Meaning::Notice),
    };
    let head = Span::styled(format!(" {:<LABEL$}", format!("run {number}")), theme.style(Meaning::Muted));
    let mark = Span::styled(format!("{glyph} "), theme.style(meaning));
    let began = clock(&screen.zone, run.started);
    let words = format!("{outcome}, profile {}, began {began}", run.profile);
    let room = width.saturating_sub(head.width() + 2);
    Line::from(vec![head, mark, Span::raw(cut(&words, room))])
}

/// Columns of the names of facts.
const LABEL: usize = 11;
/// Rows of the timeline: with a verdict at least, and at most.
const LEAST: usize = 4;
const MOST: usize = 16;
/// Attempts that are listed.
const RUNS: usize = 4;
const WORDS: usize = 400;
