use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

use super::{BuildOptions, JsonOption, Threshold};

/// Options of `praxis ci`.
#[derive(Debug, Args)]
#[command(after_help = "Exit status: 0 everything passes; 1 something does not, or cannot be done.")]
pub struct CiOptions {
    /// How to build, as for praxis build.
    #[command(flatten)]
    pub build: BuildOptions,
    /// Write a report: json=FILE, junit=FILE, html=FILE or markdown=FILE; may be repeated.
    #[arg(long = "report", value_name = "FORMAT=FILE")]
    pub reports: Vec<ReportOption>,
    /// Findings from this severity on make the check fail.
    #[arg(long, value_enum, value_name = "SEVERITY", default_value = "error")]
    pub fail_on: Threshold,
    /// Go on although credentials are in reach that could publish; the report names them.
    #[arg(long)]
    pub allow_credentials: bool,
    /// Output format.
    #[command(flatten)]
    pub format: JsonOption,
}

/// A report to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportOption {
    /// How.
    pub format: ReportFormat,
    /// Where.
    pub path: PathBuf,
}

/// The form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportFormat {
    /// JSON.
    Json,
    /// JUnit's XML.
    Junit,
    /// A page without anything from elsewhere.
    Html,
    /// A job summary.
    Markdown,
}

impl FromStr for ReportOption {
    type Err = String;

    fn from_str(text: &str) -> Result<ReportOption, String> {
        let wrong = || format!("{text:?}: write json=FILE, junit=FILE, html=FILE or markdown=FILE");
        let (format, path) = text.split_once('=').ok_or_else(wrong)?;
        let format = match format {
            "json" => ReportFormat::Json,
            "junit" => ReportFormat::Junit,
            "html" => ReportFormat::Html,
            "markdown" => ReportFormat::Markdown,
            _ => return Err(wrong()),
        };
        if path.is_empty() {
            return Err(wrong());
        }
        Ok(ReportOption {
            format,
            path: path.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports() {
        let report: ReportOption = "html=a=b.html".parse().unwrap();
        assert_eq!(
            (report.format, report.path),
            (ReportFormat::Html, "a=b.html".into())
        );
        for wrong in ["html", "html=", "pdf=x", "=x", ""] {
            assert!(wrong.parse::<ReportOption>().is_err(), "{wrong}");
        }
    }
}
