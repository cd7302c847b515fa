//! The pages, from data to HTML. Every text is escaped where it is put in.

use maud::{DOCTYPE, Markup, html};
use praxis_engine::{Record, Verification};
use praxis_source::Severity;

use super::clean;
use super::source::Source;
use super::timeline::{time, timeline, word};
use crate::Untrusted;
use crate::toolbox::Seen;
use crate::tools::whole_log;

/// Bytes of a log on a page.
const MOST_LOG: usize = 256 << 10;
/// Builds on one page.
const MOST_BUILDS: usize = 200;

/// What all pages have.
pub(super) fn layout(title: &str, client: Option<&str>, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (clean(title)) " · praxis" }
                link rel="stylesheet" href="/page/style.css";
                script src="/page/live.js" defer {}
            }
            body {
                a class="skip" href="#main" { "To the content" }
                @if let Some(client) = client {
                    header {
                        strong { "praxis" }
                        nav aria-label="Pages" { a href="/" { "Builds" } a href="/ledger" { "Ledger" } }
                        form method="post" action="/logout" { span class="dim" { (clean(client)) } button { "Sign out" } }
                    }
                }
                main id="main" { (body) }
            }
        }
    }
}

/// The way in.
pub(super) fn login(wrong: bool) -> Markup {
    layout(
        "Sign in",
        None,
        &html! {
            form class="login" method="post" action="/login" {
                h1 { "praxis" }
                label for="token" { "Your token for this server" }
                input id="token" name="token" type="password" required autofocus autocomplete="current-password";
                @if wrong { p class="bad" role="alert" { "No client has this token." } }
                button { "Sign in" }
            }
        },
    )
}

/// All builds.
pub(super) fn builds(builds: &[Seen]) -> Markup {
    html! {
        h1 { "Builds" }
        @if builds.is_empty() { p { "Nothing was built yet." } }
        @else {
            div class="wide" tabindex="0" role="region" aria-label="Builds" {
                table {
                    thead { tr { th { "Status" } th { "Build" } th { "Began" } th class="number" { "Took" } th class="number" { "Steps" } th class="number" { "Cached" } th { "Asked by" } } }
                    tbody {
                        @for seen in builds.iter().take(MOST_BUILDS) {
                            @let (done, cached) = seen.record.counts();
                            tr {
                                td { (status(seen.status())) }
                                td { a href={ "/builds/" (seen.record.id) } { (clean(&seen.record.name)) } }
                                td { (seen.record.started) }
                                td class="number" { (time(seen.record.duration)) }
                                td class="number" { (done) " of " (seen.record.steps.len()) }
                                td class="number" { (cached) }
                                td { (clean(seen.record.asked_by.as_deref().unwrap_or("command line"))) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn status(word: &str) -> Markup {
    html! { span class={ "status " (word) } { (word) } }
}

/// One build.
pub(super) fn build(seen: &Seen, latest: u64, source: Option<&Source>, search: &str) -> Markup {
    let record = &seen.record;
    let running = seen.running.is_some();
    let live = running.then(|| format!("/builds/{}/events", record.id));
    html! {
        div data-live=[live] data-after=(latest) data-graph={ "/builds/" (record.id) "/graph" } {
            h1 { (clean(&record.name)) " " (status(seen.status())) }
            @if seen.status() == "waiting" { p { "It is in the queue: a worker makes it as soon as one is free." } }
            @if running {
                noscript { p { a href={ "/builds/" (record.id) } { "Load again to see how far it is" } } }
                form method="post" action={ "/builds/" (record.id) "/cancel" } { button { "Stop this build" } }
            }
            dl class="facts" {
                dt { "Id" } dd { code { (record.id) } }
                dt { "Began" } dd { (record.started) @if running { ", runs" } @else { ", took " (time(record.duration)) } }
                dt { "Asked by" } dd { (clean(record.asked_by.as_deref().unwrap_or("command line"))) }
                dt { "Context" } dd { code { (clean(&record.context)) } }
                @for image in &record.images {
                    dt { "Image" } dd { a href={ "/image?name=" (image.digest) } { code { (image.digest) } } }
                }
            }
            @if let Some(error) = &record.error { pre class="bad" role="alert" { (clean(&error.message)) } }
            @for warning in &record.warnings { p class="warn" { (clean(warning)) } }
            nav class="inside" aria-label="On this page" {
                a href="#time" { "Time line" } a href="#steps" { "Steps" } a href="#dockerfile" { "Dockerfile" } a href="#log" { "Log" }
            }
            h2 id="time" { "Time line" }
            div id="graph" class="wide" tabindex="0" role="region" aria-label="Time line" { (timeline(record)) }
            p class="legend" {
                @for word in ["done", "cached", "failed", "running"] { span class={ "key " (word) } {} (word) " " }
                span class="key wait" {} "waited " span class="key need" {} "for"
            }
            (steps(seen))
            h2 id="dockerfile" { "Dockerfile" }
            @match source {
                Some(source) => (dockerfile(source, record.error.as_ref().and_then(|error| error.line))),
                None => p { "Its text is not at hand: the file changed since, or lies where you may not read." },
            }
            (log(seen, search))
        }
    }
}

fn steps(seen: &Seen) -> Markup {
    html! {
        h2 id="steps" { "Steps" }
        div class="wide" tabindex="0" role="region" aria-label="Steps" {
            table {
                thead { tr { th class="number" { "#" } th { "Step" } th class="number" { "Line" } th { "Status" } th class="number" { "Waited" } th class="number" { "Took" } th { "Waited for" } } }
                tbody {
                    @for step in &seen.record.steps {
                        tr id={ "step-" (step.number) } {
                            td class="number" { (step.number) }
                            td { code { (clean(&step.name)) } }
                            td class="number" { @if let Some(line) = step.line { a href={ "#line-" (line) } { (line) } } }
                            td class="state" { (status(word(&seen.record, step))) }
                            td class="number" { (time(step.waited)) }
                            td class="number" { (time(step.took)) }
                            td { @for need in &step.needs { a href={ "#step-" (need) } { (need) } " " } }
                        }
                    }
                }
            }
        }
    }
}

fn dockerfile(source: &Source, failed: Option<usize>) -> Markup {
    html! {
        p class="dim" { (count(source.findings.len(), "finding")) ", by " @if source.own_rules { "the rules of its repository (praxis.toml)." } @else { "the usual rules." } }
        @if let Some(wrong) = &source.wrong { p class="warn" { "It could not be checked: " (clean(wrong)) } }
        ol class="source" tabindex="0" {
            @for number in 1..=source.file.line_count() {
                li id={ "line-" (number) } class=[(failed == Some(number)).then_some("failed")] {
                    code { (clean(source.file.line(number))) }
                    @for (_, finding) in source.findings.iter().filter(|(line, _)| *line == number) {
                        p class={ "finding " (weight(finding.severity)) } {
                            strong { (weight(finding.severity)) " " (finding.rule) } " " (clean(&finding.message))
                            @if !finding.help.is_empty() { " " em { (clean(&finding.help)) } }
                        }
                    }
                }
            }
        }
    }
}

fn weight(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        _ => "note",
    }
}

fn log(seen: &Seen, search: &str) -> Markup {
    let steps: Vec<_> = seen.record.steps.iter().collect();
    let mut text = whole_log(&steps);
    if !search.is_empty() {
        let fits = |line: &&str| line.contains(search);
        text = text
            .lines()
            .filter(fits)
            .fold(String::new(), |text, line| text + line + "\n");
    }
    let found = text.lines().count();
    html! {
        h2 id="log" { "Log" }
        form method="get" action="#log" class="search" {
            label for="search" { "Lines with" }
            input id="search" name="search" type="search" value=(clean(search));
            button { "Search" }
            @if !search.is_empty() { span role="status" { (count(found, "line")) } }
        }
        pre class="log" tabindex="0" role="region" aria-label="Log" data-log=[search.is_empty().then_some("")] {
            (Untrusted::tail(&text, MOST_LOG).as_str()) "\n"
        }
    }
}

/// The ledger.
pub(super) fn ledger(records: &[Record], verified: &Verification) -> Markup {
    html! {
        h1 { "Ledger" }
        @if verified.faults.is_empty() {
            p class="good" { "Every record is as it was written: " (verified.checkpoint.size) " records, each with the hash of the one before." }
        }
        @for fault in &verified.faults { p class="bad" role="alert" { (clean(&fault.reason)) } }
        p { "Root " code { (verified.checkpoint.root) } }
        div class="wide" tabindex="0" role="region" aria-label="Records" {
            table {
                thead { tr { th class="number" { "#" } th { "When" } th { "Kind" } th { "What" } th { "Image" } th { "Hash" } } }
                tbody {
                    @for record in records {
                        tr {
                            td class="number" { (record.number) }
                            td { (clean(&record.entry.time)) }
                            td { (status(if record.entry.success { "done" } else { "failed" })) " " (record.entry.kind) }
                            td { (clean(&record.entry.summary)) }
                            td { @if let Some(subject) = &record.entry.subject {
                                a href={ "/image?name=" (subject) } { code class="digest" { (short(&subject.to_string())) } }
                            } }
                            td { code class="digest" { (short(&record.hash.to_string())) } }
                        }
                    }
                }
            }
        }
    }
}

/// So many of something.
pub(super) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// The beginning of a digest.
pub(super) fn short(digest: &str) -> &str {
    digest.get(..19).unwrap_or(digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const HOSTILE: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u{1b}[2J\u{202e}&";

    fn hostile(running: bool) -> Seen {
        let record = json!({
            "id": "0123456789abcdef", "name": HOSTILE, "status": "failed", "started": "2026-01-01T00:00:00Z",
            "ended": "", "duration": 4.0, "context": HOSTILE, "platforms": [], "tags": [HOSTILE], "build_args": {},
            "secrets": [], "ssh": [], "images": [], "outputs": [], "warnings": [HOSTILE],
            "error": {"message": HOSTILE, "line": 1}, "asked_by": HOSTILE,
            "steps": [
                {"number": 1, "stage": HOSTILE, "position": 1, "count": 1, "name": HOSTILE, "line": 1, "needs": [],
                 "status": "cached", "started": 0.0, "waited": 0.0, "took": 1.0, "layers": [], "log": HOSTILE},
                {"number": 2, "stage": "b", "position": 1, "count": 1, "name": "RUN b", "line": 2, "needs": [1, 9],
                 "status": "failed", "started": 1.5, "waited": 1.5, "took": 2.0, "layers": [], "log": "one\ntwo\n"},
            ],
        });
        let record = serde_json::from_value(record).unwrap();
        assert!(!running);
        Seen {
            record,
            running: None,
        }
    }

    fn harmless(page: &str) {
        let body = page.split_once("<body>").map_or(page, |(_, body)| body);
        assert!(
            !body.contains("<script") && !body.contains("<img") && !body.contains("\"'>"),
            "{page}"
        );
        assert!(!page.contains('\u{1b}') && !page.contains('\u{202e}'));
        assert!(page.contains("&lt;script&gt;alert(1)"), "{page}");
        assert!(!page.contains("style=") && !page.contains("javascript:") && !page.contains("http:/\u{2f}e"));
    }

    #[test]
    fn service_row_nothing_that_a_build_says_becomes_markup() {
        let source = Source::new(format!("FROM scratch\n# {HOSTILE}\nRUN {HOSTILE}\n"), None);
        let seen = hostile(false);
        let page = layout(HOSTILE, Some(HOSTILE), &build(&seen, 0, Some(&source), HOSTILE)).into_string();
        harmless(&page);
        harmless(&builds(&[hostile(false)]).into_string());
        harmless(&timeline(&seen.record).into_string());
        assert_eq!(page.matches("<script").count(), 1);
    }

    #[test]
    fn a_build_shows_what_waited_what_was_cached_and_the_lines_that_were_looked_for() {
        let page = build(&hostile(false), 0, None, "tw").into_string();
        assert!(
            page.contains("class=\"need\"") && page.contains("class=\"wait\"") && page.contains("bar cached")
        );
        assert!(
            page.contains("two") && !page.contains("one\n") && page.contains("1 line<"),
            "{page}"
        );
    }

    #[test]
    fn what_never_began_waits_only_while_the_build_runs() {
        let mut seen = hostile(false);
        seen.record.steps[0].started = None;
        seen.record.steps[0].status = praxis_engine::StepStatus::Stopped;
        seen.record.steps[1].status = praxis_engine::StepStatus::Stopped;
        let word = |seen: &Seen, step: usize| word(&seen.record, &seen.record.steps[step]);
        assert_eq!((word(&seen, 0), word(&seen, 1)), ("waiting", "running"));
        seen.record.ended = "2026-01-01T00:00:04Z".into();
        assert_eq!((word(&seen, 0), word(&seen, 1)), ("skipped", "stopped"));
    }

    #[test]
    fn findings_stand_on_their_lines() {
        let source = Source::new("FROM debian:latest\nMAINTAINER me\nRUN x\n".into(), None);
        assert!(
            source.findings.iter().any(|(line, _)| *line == 2),
            "{:?}",
            source.findings
        );
        let page = dockerfile(&source, Some(3)).into_string();
        let second = page
            .split("id=\"line-2\"")
            .nth(1)
            .unwrap()
            .split("<li")
            .next()
            .unwrap();
        assert!(
            second.contains("finding ") && second.contains("MAINTAINER"),
            "{page}"
        );
        assert!(page.contains("id=\"line-3\" class=\"failed\""));
    }
}
