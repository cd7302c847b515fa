//! `praxis ci`: check, build and test, and no way to publish.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use praxis_check::{Finding, Repository};
use praxis_engine::{BuildRequest, ContextSource, Policy, SmokeRequest, Worktree, record_time};
use praxis_source::Severity;

use super::{Outcome, Surroundings, check, record, result, write_file};
use crate::arguments::{CiOptions, ReportFormat, Threshold};
use crate::backend::Engine;
use crate::ci::{CheckOutcome, CiReport, FoundAt, ImageOutcome, html, junit, markdown};
use crate::failure::Failure;
use crate::progress::{Ending, Printer, printer};
use crate::request::build_request;
use crate::{interrupt, publishing, registries};

/// Checks, builds and tests.
pub fn run(options: &CiOptions, surroundings: &Surroundings) -> Result<Outcome, Failure> {
    let began = Instant::now();
    let credentials = publishing::credentials_in_reach(&surroundings.environment);
    if !credentials.is_empty() && !options.allow_credentials {
        return Err(Failure::failed(format!(
            "credentials that could publish are in reach: {}",
            credentials.join("; ")
        ))
        .with_hint("a job that builds needs none: take them away, or give --allow-credentials and the report names them"));
    }
    let context = directory(options)?;
    let tree = Worktree::open(&context)?;
    let repository = tree.repository(None)?;
    let checked = checked(options, surroundings, &context, &repository)?;
    let policy = repository.policy.clone();
    let requests = requests(options, surroundings, &context, &policy)?;
    let platforms: Vec<_> = requests
        .iter()
        .flat_map(|(_, request)| request.platforms_in_sight())
        .collect();
    let (engine, warning) = surroundings.engine_for(&platforms)?;
    let cancel = interrupt::cancel_flag()
        .map_err(|error| Failure::failed(format!("signals cannot be caught: {error}")))?;
    let mut images = Vec::new();
    for (variant, mut request) in requests {
        request.registries = registries::access(&options.build, surroundings)?;
        request.registries.settings.stop = cancel.clone();
        let printer = printer(options.build.progress, &surroundings.environment);
        super::build::warn(printer.as_ref(), &[], warning);
        let image = image(&engine, printer.as_ref(), &policy, variant, &request, &cancel);
        if cancel.load(std::sync::atomic::Ordering::Relaxed) {
            let failure = Failure {
                kind: crate::failure::FailureKind::Cancelled,
                ..Failure::failed("interrupted")
            };
            return Err(failure);
        }
        images.push(image);
    }
    let report = CiReport {
        praxis: env!("CARGO_PKG_VERSION").into(),
        passed: checked.passed && images.iter().all(ImageOutcome::passed),
        context: context.display().to_string(),
        revision: repository.facts.git.as_ref().map(|git| git.revision.clone()),
        clean: praxis_engine::Engine::clean(&context, None).is_ok(),
        time: record_time(),
        seconds: began.elapsed().as_secs_f64(),
        can_push: false,
        credentials_in_reach: credentials,
        check: checked,
        images,
    };
    record::ci(surroundings, &report);
    write_reports(options, surroundings, &report)?;
    result(options.format.json, &report, || report.text(surroundings.style()))?;
    Ok(match report.passed {
        true => Outcome::Done,
        false => Outcome::Found,
    })
}

fn directory(options: &CiOptions) -> Result<PathBuf, Failure> {
    match ContextSource::named(&options.build.context) {
        ContextSource::Directory(path) => Ok(path),
        _ => Err(Failure::usage(format!(
            "{}: praxis ci checks a directory, and builds what it checked",
            options.build.context
        ))),
    }
}

fn checked(
    options: &CiOptions,
    surroundings: &Surroundings,
    context: &Path,
    repository: &Repository,
) -> Result<CheckOutcome, Failure> {
    let began = Instant::now();
    let findings = praxis_check::check(repository)?;
    let found: Vec<FoundAt> = findings
        .iter()
        .map(|finding| found_at(repository, finding, options.fail_on))
        .collect();
    let passed = found.iter().all(|finding| !finding.fails);
    record::check(surroundings, context, &findings, passed);
    Ok(CheckOutcome {
        passed,
        seconds: began.elapsed().as_secs_f64(),
        findings: found,
    })
}

fn found_at(repository: &Repository, finding: &Finding, threshold: Threshold) -> FoundAt {
    let file = repository.file(&finding.path);
    let place = finding
        .span
        .zip(file)
        .map(|(span, file)| file.position(span.start));
    FoundAt {
        rule: finding.rule.clone(),
        severity: match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        }
        .into(),
        fails: check::reaches(finding, threshold),
        path: finding.path.clone(),
        line: place.as_ref().map_or(0, |place| place.line),
        column: place.as_ref().map_or(0, |place| place.column),
        message: finding.message.clone(),
        help: finding.help.clone(),
    }
}

/// What to build: the image that was asked for; where no stage was named, also the variants that are declared.
fn requests(
    options: &CiOptions,
    surroundings: &Surroundings,
    context: &Path,
    policy: &Policy,
) -> Result<Vec<(Option<String>, BuildRequest)>, Failure> {
    let site = surroundings.site().site;
    let mut nothing: &[u8] = &[];
    let request = build_request(&options.build, &surroundings.environment, site, &mut nothing)?;
    if request.dry_run {
        return Err(Failure::usage(
            "praxis ci builds: --dry-run, --check and --call are for praxis build",
        ));
    }
    let name = request.tags.first().cloned().unwrap_or_else(|| own_name(context));
    let mut all = vec![(
        None,
        BuildRequest {
            tags: with_first(&request.tags, &name),
            ..request.clone()
        },
    )];
    if request.target.is_none() {
        for (variant, declared) in &policy.variants {
            let variant = variant.get_ref().clone();
            let of_variant = BuildRequest {
                target: Some(declared.stage.clone()),
                tags: vec![variant_name(&name, &variant)],
                outputs: Vec::new(),
                ..request.clone()
            };
            all.push((Some(variant), of_variant));
        }
    }
    Ok(all)
}

fn with_first(tags: &[String], name: &str) -> Vec<String> {
    match tags {
        [] => vec![name.to_string()],
        tags => tags.to_vec(),
    }
}

/// `app:1.0` and `tsa` are `app:1.0-tsa`.
fn variant_name(name: &str, variant: &str) -> String {
    match name.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')) {
        Some(_) => format!("{name}-{variant}"),
        None => format!("{name}:{variant}"),
    }
}

/// A name in the store for an image without any.
fn own_name(context: &Path) -> String {
    let whole = context.canonicalize().unwrap_or_else(|_| context.to_path_buf());
    let name = whole
        .file_name()
        .map(|name| name.to_string_lossy().to_lowercase())
        .unwrap_or_default();
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let plain = if plain.is_empty() {
        "image".to_string()
    } else {
        plain
    };
    format!("localhost/praxis-ci/{plain}:latest")
}

/// Builds and tests one image.
fn image(
    engine: &Engine,
    printer: &dyn Printer,
    policy: &Policy,
    variant: Option<String>,
    request: &BuildRequest,
    cancel: &std::sync::atomic::AtomicBool,
) -> ImageOutcome {
    let began = Instant::now();
    let name = request.tags.first().cloned().unwrap_or_default();
    let mut outcome = ImageOutcome {
        variant,
        name,
        digest: None,
        steps: 0,
        cached: 0,
        seconds: 0.0,
        error: None,
        test: None,
        verified: Vec::new(),
    };
    let built = engine.build(request, printer, cancel);
    outcome.seconds = began.elapsed().as_secs_f64();
    match &built {
        Ok(response) => {
            printer.close(&Ending::Built(response));
            outcome.digest = response.digest;
            (outcome.steps, outcome.cached) = (response.steps, response.cached);
        }
        Err(failure) => {
            printer.close(&Ending::Failed(failure));
            outcome.error = Some(failure.message.clone());
            return outcome;
        }
    }
    let smoke = SmokeRequest {
        image: outcome.name.clone(),
        platform: None,
        tests: policy.smoke.clone(),
        user: policy.image.user.clone(),
        variant: outcome.variant.clone(),
        writable: false,
    };
    match engine.0.smoke_test(&smoke, cancel) {
        Ok(report) => {
            let proved = outcome
                .digest
                .map(|built| engine.0.proved(&built, &report.digest));
            match proved.transpose() {
                Ok(verified) => outcome.verified = verified.unwrap_or_default(),
                Err(error) => outcome.error = Some(error.message),
            }
            outcome.test = Some(report);
        }
        Err(error) => outcome.error = Some(error.message),
    }
    outcome
}

fn write_reports(options: &CiOptions, surroundings: &Surroundings, report: &CiReport) -> Result<(), Failure> {
    for wanted in &options.reports {
        let text = match wanted.format {
            ReportFormat::Json => {
                serde_json::to_string_pretty(report).map_err(|error| Failure::failed(error.to_string()))?
                    + "\n"
            }
            ReportFormat::Junit => junit(report),
            ReportFormat::Html => html(report),
            ReportFormat::Markdown => markdown(report),
        };
        write_file(&wanted.path, "--report", &text)?;
    }
    // Jobs of some services have a page for a summary, which others add to as well.
    if let Some(path) = surroundings.environment.path("GITHUB_STEP_SUMMARY") {
        let opened = std::fs::File::options().append(true).create(true).open(&path);
        let written = opened.and_then(|mut file| file.write_all(markdown(report).as_bytes()));
        written
            .map_err(|error| Failure::failed(format!("GITHUB_STEP_SUMMARY: {}: {error}", path.display())))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_have_names() {
        assert_eq!(
            own_name(Path::new("/srv/My App")),
            "localhost/praxis-ci/myapp:latest"
        );
        assert_eq!(own_name(Path::new("/")), "localhost/praxis-ci/image:latest");
        assert_eq!(variant_name("app:1", "tsa"), "app:1-tsa");
        assert_eq!(variant_name("r.test:5000/app", "tsa"), "r.test:5000/app:tsa");
    }
}
