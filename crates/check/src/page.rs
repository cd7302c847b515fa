//! A rule's page, read from the comment at the top of its file.

use crate::MemoryTree;

/// A rule's page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// One line: what the rule says.
    pub title: String,
    /// Why it matters, in one paragraph.
    pub why: String,
    /// How to mend a finding, in one paragraph.
    pub fix: String,
    /// All of it, as Markdown.
    pub text: String,
    /// Files of the examples: whether they are of the bad one, path, text.
    examples: Vec<(Example, String, String)>,
}

/// Which example a file belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Example {
    Bad,
    Good,
    Both,
}

impl Page {
    /// The page in a source text.
    pub(crate) fn of(source: &str) -> Page {
        let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
        let lines: Vec<&str> = lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
        let mut page = Page {
            title: lines.first().unwrap_or(&"").trim_start_matches("# ").to_string(),
            why: section(&lines, "# Why"),
            fix: section(&lines, "# Fix"),
            ..Page::default()
        };
        let mut open: Option<(Example, String, String)> = None;
        for line in &lines {
            if let Some((_, _, text)) = &mut open {
                match *line {
                    "```" => page.examples.extend(open.take()),
                    line => {
                        text.push_str(line);
                        text.push('\n');
                    }
                }
            } else if let Some(info) = line.strip_prefix("```") {
                open = fence(info);
            }
        }
        page.text = lines.iter().map(|line| shown(line) + "\n").collect();
        page
    }

    /// The files of the bad example, or of the good one.
    pub fn example(&self, bad: bool) -> MemoryTree {
        let other = if bad { Example::Good } else { Example::Bad };
        let files = self.examples.iter().filter(|(which, _, _)| *which != other);
        files.fold(MemoryTree::default(), |tree, (_, path, text)| {
            tree.with(path, text)
        })
    }

    /// Whether there is a bad example and a good one.
    pub fn has_examples(&self) -> bool {
        let has = |wanted| self.examples.iter().any(|(which, _, _)| *which == wanted);
        has(Example::Bad) && has(Example::Good)
    }
}

/// A fence such as "yaml bad deploy/values.yaml".
fn fence(info: &str) -> Option<(Example, String, String)> {
    let words: Vec<&str> = info.split_whitespace().collect();
    let which = match words.get(1) {
        Some(&"bad") => Example::Bad,
        Some(&"good") => Example::Good,
        Some(&"both") => Example::Both,
        _ => return None,
    };
    let path = words.get(2).copied().unwrap_or("Dockerfile");
    Some((which, path.to_string(), String::new()))
}

/// The line as it is shown: headings one level down, fences with their language alone.
fn shown(line: &str) -> String {
    match line.strip_prefix("```") {
        Some(info) if fence(info).is_some() => {
            let mut words = info.split_whitespace();
            let language = words.next().unwrap_or_default();
            let which = words.next().unwrap_or_default();
            let path = words.next().unwrap_or("Dockerfile");
            let which = if which == "both" { "in both" } else { which };
            format!("*{which}: `{path}`*\n\n```{language}")
        }
        _ if line.starts_with("# ") => line.to_string(),
        _ => line.to_string(),
    }
}

/// The first paragraph of a section, in one line.
fn section(lines: &[&str], heading: &str) -> String {
    let body = lines.iter().skip_while(|line| **line != heading).skip(1);
    let body = body.skip_while(|line| line.is_empty());
    let paragraph: Vec<&str> = body.copied().take_while(|line| !line.is_empty()).collect();
    paragraph.join(" ")
}

/// A rule's page as it stands in the documentation.
#[cfg(test)]
pub(crate) fn whole(rule: &crate::Rule) -> String {
    let page = rule.page();
    let body = page.text.split_once('\n').map_or("", |(_, body)| body);
    let body = body.replace("\n# ", "\n## ");
    let table = format!(
        "| rule | name | adr-0032 | minimal | confidence |\n|---|---|---|---|---|\n| {} | `{}` | {} | {} | {} |\n",
        rule.id,
        rule.name,
        level(rule.level),
        level(rule.minimal),
        rule.confidence.name()
    );
    format!("# {}: {}\n\n{table}{body}", rule.id, page.title)
}

#[cfg(test)]
fn level(level: crate::Level) -> String {
    format!("{level:?}").to_lowercase()
}

/// The table of all rules.
#[cfg(test)]
pub(crate) fn index() -> String {
    let mut text = String::from(
        "# Rules of praxis check\n\nWritten from the comments in `crates/check/src/rules` by `scripts/rules`. The \
         levels are those of the\npresets; `strict` makes errors of all that `adr-0032` runs.\n\n| rule | says | \
         adr-0032 | minimal |\n|---|---|---|---|\n",
    );
    for rule in crate::RULES {
        let (page, name) = (rule.page(), rule.id);
        let levels = format!("{} | {}", level(rule.level), level(rule.minimal));
        text.push_str(&format!("| [{name}]({name}.md) | {} | {levels} |\n", page.title));
    }
    text + "\nThe checks that BuildKit has too are in [buildkit.md](buildkit.md), other tools' rules in \
            [mapping.md](mapping.md).\n"
}

/// The page of the checks that BuildKit has too.
#[cfg(test)]
pub(crate) fn buildkit() -> String {
    let mut text = String::from(
        "# BuildKit's checks\n\n`praxis check` and `praxis build --check` run these under the names BuildKit gives \
         them; they are warnings, and\nerrors where a Dockerfile says `# check=error=true`.\n\n",
    );
    for check in crate::rules::buildkit::CHECKS {
        let seen = if check.in_builds {
            " Only a build sees it."
        } else {
            ""
        };
        text.push_str(&format!(
            "## {}\nWhat it asks for: {}.{seen}\n\nFound in:\n```dockerfile\n{}```\n\n",
            check.name, check.says, check.bad
        ));
    }
    text.trim_end().to_string() + "\n"
}
