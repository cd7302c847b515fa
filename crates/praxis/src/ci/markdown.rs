use super::CiReport;
use crate::progress::sanitize::sanitize;

/// The report as a job summary.
pub fn markdown(report: &CiReport) -> String {
    let mark = |passed: bool| if passed { "✅" } else { "❌" };
    let mut text = format!(
        "## praxis ci: {}\n\n",
        if report.passed { "passed" } else { "failed" }
    );
    text.push_str("| | what | outcome |\n|---|---|---|\n");
    text.push_str(&format!(
        "| {} | check | {} findings |\n",
        mark(report.check.passed),
        report.check.findings.len()
    ));
    for image in &report.images {
        let built = image
            .digest
            .map_or_else(|| "not built".into(), |digest| format!("`{digest}`"));
        text.push_str(&format!(
            "| {} | build {} | {built} |\n",
            mark(image.digest.is_some()),
            cell(&image.label())
        ));
        if let Some(error) = &image.error {
            text.push_str(&format!("| | | {} |\n", cell(error)));
        }
        for test in image.test.iter().flat_map(|test| &test.tests) {
            let failed = test.assertions.iter().filter(|one| !one.holds);
            let failed: Vec<String> = failed
                .map(|one| format!("{}: {}", one.what, one.instead.clone().unwrap_or_default()))
                .collect();
            let outcome = match failed.is_empty() {
                true => format!("{} assertions hold", test.assertions.len()),
                false => failed.join("; "),
            };
            text.push_str(&format!(
                "| {} | test {} | {} |\n",
                mark(test.passed),
                cell(&test.name),
                cell(&outcome)
            ));
        }
        for one in &image.verified {
            let instead = one.instead.as_deref().unwrap_or_default();
            text.push_str(&format!(
                "| {} | verify {} | {} |\n",
                mark(one.holds),
                cell(&one.what),
                cell(instead)
            ));
        }
    }
    let failing: Vec<_> = report
        .check
        .findings
        .iter()
        .filter(|finding| finding.fails)
        .collect();
    if !failing.is_empty() {
        text.push_str("\n| rule | place | finding |\n|---|---|---|\n");
    }
    for finding in failing {
        text.push_str(&format!(
            "| {} | {}:{} | {} |\n",
            cell(&finding.rule),
            cell(&finding.path),
            finding.line,
            cell(&finding.message)
        ));
    }
    if !report.credentials_in_reach.is_empty() {
        let names: Vec<String> = report
            .credentials_in_reach
            .iter()
            .map(|name| cell(name))
            .collect();
        text.push_str(&format!("\nCredentials were in reach: {}\n", names.join(", ")));
    }
    text
}

/// A text in a table: no markup, no line breaks.
fn cell(text: &str) -> String {
    let mut cell = String::with_capacity(text.len());
    for letter in sanitize(text).chars() {
        match letter {
            '<' => cell.push_str("&lt;"),
            '&' => cell.push_str("&amp;"),
            '\n' | '\r' => cell.push(' '),
            '|' | '`' | '*' | '_' | '[' | ']' | '\\' | '#' | '!' | '~' | '@' => {
                cell.push('\\');
                cell.push(letter);
            }
            other => cell.push(other),
        }
    }
    cell
}
