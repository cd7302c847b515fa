//! `praxis reproduce`.

use praxis_engine::{ContextSource, FirstDifference, ReproduceRequest, Reproduction};
use praxis_oci::Platform;
use praxis_sandbox::UserNamespace;

use super::build::close;
use super::diff::{facts, field};
use super::tree::place;
use super::{Outcome, Surroundings, result};
use crate::arguments::ReproduceOptions;
use crate::failure::Failure;
use crate::interrupt;
use crate::progress::printer;
use crate::progress::sanitize::sanitize;
use crate::progress::style::Style;
use crate::progress::units;
use crate::registries;
use crate::request::{build_arguments, build_contexts, secrets, source_date_epoch, ssh};

/// Builds again and compares. A rebuild that differs is a finding.
pub fn run(options: &ReproduceOptions, surroundings: &Surroundings) -> Result<Outcome, Failure> {
    let mut request = request(options, surroundings)?;
    let style = surroundings.style();
    let (engine, _) = surroundings.engine_for(platform(&request, surroundings)?.as_slice())?;
    let cancel = interrupt::cancel_flag()
        .map_err(|error| Failure::failed(format!("signals cannot be caught: {error}")))?;
    request.registries.settings.stop = cancel.clone();
    let printer = printer(options.progress, &surroundings.environment);
    let reproduction = match engine.reproduce(&request, printer.as_ref(), &cancel) {
        Ok(reproduction) => reproduction,
        Err(failure) => return Ok(close(printer.as_ref(), &cancel, Err(failure))),
    };
    close(printer.as_ref(), &cancel, Ok(reproduction.response.clone()));
    result(options.format.json, &reproduction, || text(&reproduction, style))?;
    Ok(if reproduction.identical {
        Outcome::Done
    } else {
        Outcome::Found
    })
}

/// The platform of the image where root may need a user namespace to run its programs: it is entered before anything
/// else, by an ordinary user in any case.
fn platform(request: &ReproduceRequest, surroundings: &Surroundings) -> Result<Option<Platform>, Failure> {
    if request.platform.is_some() || UserNamespace::needed() || praxis_engine::own_emulators().is_empty() {
        return Ok(request.platform.clone());
    }
    let engine = surroundings.engine()?.0;
    // What is wrong with the image is said when it is opened to be built again.
    let image = engine.0.inspect(&request.image, None).ok();
    Ok(image.and_then(|image| image.platform.parse().ok()))
}

fn request(options: &ReproduceOptions, surroundings: &Surroundings) -> Result<ReproduceRequest, Failure> {
    let environment = &surroundings.environment;
    let context = options.context.as_deref().map(ContextSource::named);
    let dash = options
        .file
        .as_deref()
        .is_some_and(|file| file.as_os_str() == "-");
    if context == Some(ContextSource::Stdin) || dash {
        return Err(Failure::usage(
            "praxis reproduce reads nothing from standard input: give a path",
        ));
    }
    let (ssh, ssh_keys) = ssh(&options.ssh, &ContextSource::default(), environment)?;
    Ok(ReproduceRequest {
        image: options.image.clone(),
        platform: options.platform.platform.clone(),
        context,
        dockerfile: options.file.clone(),
        target: options.target.clone().filter(|target| !target.is_empty()),
        build_args: build_arguments(&options.build_args, environment)?,
        build_contexts: build_contexts(&options.build_contexts)?,
        secrets: secrets(&options.secrets, environment)?,
        ssh,
        ssh_keys,
        source_date_epoch: source_date_epoch(environment)?,
        jobs: options.jobs.into(),
        site: surroundings.site().site,
        registries: praxis_engine::RegistryAccess {
            settings: registries::settings(&options.registries, surroundings)?,
            ..Default::default()
        },
    })
}

fn text(reproduction: &Reproduction, style: Style) -> String {
    let mut text = String::new();
    for input in &reproduction.changed_inputs {
        text.push_str(&style.notable(&format!("changed since: {}", sanitize(input))));
        text.push('\n');
    }
    if reproduction.identical {
        let identical = style.good(&format!("bit-identical: {}", reproduction.image));
        return text + &identical + "\n";
    }
    text.push_str(&format!(
        "{}\n  image    {}\n  rebuild  {}\n",
        style.bad("not identical"),
        reproduction.image,
        reproduction.rebuilt
    ));
    text.push_str(
        &reproduction
            .first
            .as_ref()
            .map_or_else(String::new, |first| layer(first, style)),
    );
    let fields = reproduction.fields.iter().map(|one| field(one, style));
    text + &fields.collect::<String>()
}

fn layer(first: &FirstDifference, style: Style) -> String {
    let instruction = first
        .source
        .instruction
        .as_deref()
        .unwrap_or("(not in the history)");
    let instruction = instruction.split_whitespace().collect::<Vec<_>>().join(" ");
    let place = place(&first.source);
    let place = if place.is_empty() {
        place
    } else {
        format!("{place}  ")
    };
    let causes = style.bad(&first.causes.join(", "));
    let mut text = format!(
        "first difference in layer {}  {place}{}\n",
        first.layer,
        units::fit(&sanitize(&instruction), 100)
    );
    match &first.path {
        None => text.push_str(&format!("  {causes}\n")),
        Some(path) => text.push_str(&format!("  {}: {causes}\n", sanitize(path))),
    }
    for (title, file) in [("image  ", &first.before), ("rebuild", &first.after)] {
        if let Some(file) = file {
            text.push_str(&format!("    {title}{}, {}\n", facts(file), file.modified));
        }
    }
    if first.files > 1 {
        text.push_str(&format!("  {} files of this layer differ\n", first.files));
    }
    text
}
