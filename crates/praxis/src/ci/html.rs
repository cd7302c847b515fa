use praxis_engine::Assertion;

use super::{CiReport, ImageOutcome, escape};

const STYLE: &str = "
:root { color-scheme: light dark; --line: #8886; --good: #1a7f37; --bad: #cf222e; }
@media (prefers-color-scheme: dark) { :root { --good: #3fb950; --bad: #ff7b72; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid var(--line); }
code, pre { font: 14px/1.4 ui-monospace, monospace; overflow-wrap: anywhere; }
pre { overflow-x: auto; border: 1px solid var(--line); padding: .5rem; }
.good { color: var(--good); } .bad { color: var(--bad); }
";

/// The report as a page that needs nothing from elsewhere and runs nothing.
pub fn html(report: &CiReport) -> String {
    let outcome = verdict(report.passed);
    let revision = report.revision.as_deref().unwrap_or("none");
    let mut text = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>praxis ci</title>\n<style>{STYLE}</style>\n</head>\n\
         <body>\n<h1>praxis ci: {outcome}</h1>\n<p>{} · commit <code>{}</code> · {} · {:.1} s · praxis {}</p>\n",
        escape(&report.context),
        escape(revision),
        escape(&report.time),
        report.seconds,
        escape(&report.praxis)
    );
    if !report.credentials_in_reach.is_empty() {
        let names: Vec<String> = report
            .credentials_in_reach
            .iter()
            .map(|name| escape(name))
            .collect();
        text.push_str(&format!(
            "<p class=\"bad\">Credentials were in reach: {}</p>\n",
            names.join(", ")
        ));
    }
    check(report, &mut text);
    report.images.iter().for_each(|one| image(one, &mut text));
    text + "</body>\n</html>\n"
}

fn verdict(passed: bool) -> &'static str {
    match passed {
        true => "<span class=\"good\">passed</span>",
        false => "<span class=\"bad\">failed</span>",
    }
}

fn check(report: &CiReport, text: &mut String) {
    text.push_str(&format!("<h2>Check: {}</h2>\n", verdict(report.check.passed)));
    if report.check.findings.is_empty() {
        text.push_str("<p>No findings.</p>\n");
        return;
    }
    text.push_str("<table>\n<tr><th>rule</th><th>severity</th><th>place</th><th>finding</th></tr>\n");
    for finding in &report.check.findings {
        text.push_str(&format!(
            "<tr><td>{}</td><td class=\"{}\">{}</td><td><code>{}:{}:{}</code></td><td>{}<br><small>{}</small></td></tr>\n",
            escape(&finding.rule),
            if finding.fails { "bad" } else { "" },
            escape(&finding.severity),
            escape(&finding.path),
            finding.line,
            finding.column,
            escape(&finding.message),
            escape(&finding.help)
        ));
    }
    text.push_str("</table>\n");
}

fn image(image: &ImageOutcome, text: &mut String) {
    let built = image
        .digest
        .map_or_else(|| "not built".into(), |digest| digest.to_string());
    text.push_str(&format!(
        "<h2>Image {}: {}</h2>\n<p><code>{}</code><br><code>{built}</code><br>{} of {} steps cached, {:.1} s</p>\n",
        escape(&image.label()),
        verdict(image.passed()),
        escape(&image.name),
        image.cached,
        image.steps,
        image.seconds
    ));
    if let Some(error) = &image.error {
        text.push_str(&format!("<pre class=\"bad\">{}</pre>\n", escape(error)));
    }
    for test in image.test.iter().flat_map(|test| &test.tests) {
        text.push_str(&format!(
            "<h3>{}: {}</h3>\n<ul>\n",
            escape(&test.name),
            verdict(test.passed)
        ));
        for assertion in &test.assertions {
            text.push_str(&item(assertion));
        }
        for limit in &test.unenforced {
            text.push_str(&format!(
                "<li>not enforced on this machine: {}</li>\n",
                escape(limit)
            ));
        }
        text.push_str("</ul>\n");
        for (name, said) in [
            ("standard output", &test.stdout),
            ("standard error", &test.stderr),
        ] {
            if !said.is_empty() {
                text.push_str(&format!(
                    "<details><summary>{name}</summary><pre>{}</pre></details>\n",
                    escape(said)
                ));
            }
        }
    }
    if !image.verified.is_empty() {
        text.push_str("<h3>verified</h3>\n<ul>\n");
        image.verified.iter().for_each(|one| text.push_str(&item(one)));
        text.push_str("</ul>\n");
    }
}

fn item(assertion: &Assertion) -> String {
    let instead = assertion.instead.as_deref().map_or_else(String::new, |instead| {
        format!("<br><span class=\"bad\">{}</span>", escape(instead))
    });
    let mark = if assertion.holds { "✔" } else { "✘" };
    format!("<li>{mark} {}{instead}</li>\n", escape(&assertion.what))
}
