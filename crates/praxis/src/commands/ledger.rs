//! `praxis ledger`.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use praxis_engine::StampVerifier;
use praxis_engine::{
    Checkpoint, Fault, Ledger, Record, Verification, ledger_file, read_export, verify_records, write_export,
};
use praxis_ledger::{CheckpointError, LedgerError, inclusion_proof};
use praxis_oci::Digest;
use serde_json::json;

use super::{Outcome, Surroundings, result, write_file, write_stdout};
use crate::arguments::{LedgerCommand, LedgerLogOptions, LedgerVerifyOptions};
use crate::failure::Failure;
use crate::progress::sanitize::sanitize;
use crate::progress::style::Style;
use crate::timestamps;

/// The line of a checkpoint that holds when it was so: a `TimeStampResp` over the three lines, in base64.
const STAMP: &str = "timestamp ";

/// Runs `praxis ledger …`.
pub fn run(command: &LedgerCommand, surroundings: &Surroundings) -> Result<Outcome, Failure> {
    match command {
        LedgerCommand::Log(options) => log(options, surroundings)?,
        LedgerCommand::Show {
            number,
            proof,
            format,
        } => show(&open(surroundings)?, *number, *proof, format.json)?,
        LedgerCommand::Verify(options) => return verify(options, surroundings),
        LedgerCommand::Checkpoint {
            output,
            timestamps,
            registries,
        } => {
            let mut text = open(surroundings)?.checkpoint()?.to_string();
            let settings = crate::registries::settings(registries, surroundings)?;
            if let Some(stamp) = timestamps::stamp(timestamps, &settings)? {
                let response = stamp
                    .stamp(text.as_bytes())
                    .map_err(|error| Failure::failed(error.message))?;
                text.push_str(&format!("\n{STAMP}{}\n", STANDARD.encode(response)));
            }
            write(output.as_deref(), &text)?;
        }
        LedgerCommand::Export { output } => {
            let ledger = open(surroundings)?;
            let mut text = Vec::new();
            write_export(&ledger.records()?, &ledger.checkpoint()?, &mut text)
                .map_err(|error| Failure::failed(error.to_string()))?;
            write(output.as_deref(), &String::from_utf8_lossy(&text))?;
        }
    }
    Ok(Outcome::Done)
}

fn write(output: Option<&Path>, text: &str) -> Result<(), Failure> {
    match output {
        Some(path) => write_file(path, "--output", text),
        None => write_stdout(text.as_bytes()),
    }
}

/// The ledger, which must be there.
fn open(surroundings: &Surroundings) -> Result<Ledger, Failure> {
    let path = ledger_file(&surroundings.store_root()?);
    surroundings.books()?.read()?.ok_or_else(|| {
        Failure::failed(format!("{}: there is no ledger yet", path.display()))
            .with_hint("a build makes it; --root says where the store is")
    })
}

fn log(options: &LedgerLogOptions, surroundings: &Surroundings) -> Result<(), Failure> {
    let wanted = |record: &Record| {
        options.kind.is_none_or(|kind| record.entry.kind == kind)
            && options
                .subject
                .is_none_or(|subject| record.entry.subject == Some(subject))
    };
    let records = match surroundings.books()?.read()? {
        Some(ledger) => ledger.latest(options.limit, wanted)?,
        None => Vec::new(),
    };
    let style = surroundings.style();
    result(options.format.json, &records, || {
        records.iter().map(|record| line(record, style)).collect()
    })
}

fn line(record: &Record, style: Style) -> String {
    let entry = &record.entry;
    let subject = entry.subject.map_or_else(String::new, |digest| short(&digest));
    let mark = if entry.success {
        style.good("✓")
    } else {
        style.bad("✗")
    };
    format!(
        "{:>5}  {}  {:8} {mark} {:12}  {}\n",
        record.number,
        sanitize(&entry.time),
        entry.kind,
        subject,
        sanitize(&entry.summary)
    )
}

fn short(digest: &Digest) -> String {
    digest.hex()[..12].to_string()
}

fn show(ledger: &Ledger, number: u64, proof: bool, json: bool) -> Result<(), Failure> {
    let record = ledger.record(number)?;
    let proof = proof.then(|| prove(ledger, &record)).transpose()?;
    let mut value = serde_json::to_value(&record).map_err(|error| Failure::failed(error.to_string()))?;
    if let Some((checkpoint, hashes)) = &proof {
        value["inclusion"] = json!({
            "checkpoint": checkpoint.to_string(),
            "hashes": hashes,
        });
    }
    result(json, &value, || as_text(&record, proof.as_ref()))
}

fn prove(ledger: &Ledger, record: &Record) -> Result<(Checkpoint, Vec<Digest>), Failure> {
    let leaves: Vec<Digest> = ledger.records()?.iter().map(|it| it.hash).collect();
    let position = usize::try_from(record.number - 1).unwrap_or(usize::MAX);
    Ok((ledger.checkpoint()?, inclusion_proof(&leaves, position)))
}

fn as_text(record: &Record, proof: Option<&(Checkpoint, Vec<Digest>)>) -> String {
    let entry = &record.entry;
    let missing = || "-".to_string();
    let mut text = format!(
        "record    {}\nkind      {}\ntime      {}\nsubject   {}\nsuccess   {}\nsummary   {}\nhash      {}\nprevious  {}\n",
        record.number,
        entry.kind,
        sanitize(&entry.time),
        entry.subject.map_or_else(missing, |it| it.to_string()),
        if entry.success { "yes" } else { "no" },
        sanitize(&entry.summary),
        record.hash,
        record.previous.map_or_else(missing, |it| it.to_string()),
    );
    let body = serde_json::to_string_pretty(&entry.body).unwrap_or_default();
    text.push_str(&format!("\n{}\n", crate::progress::sanitize::json(&body)));
    if let Some((checkpoint, hashes)) = proof {
        text.push_str(&format!("\ncheckpoint\n{checkpoint}\ninclusion\n"));
        hashes.iter().for_each(|hash| text.push_str(&format!("{hash}\n")));
    }
    text
}

/// The time of a checkpoint, which has to have one by somebody who is believed.
fn time_of(text: &str, checkpoint: &Checkpoint, believed: &dyn StampVerifier) -> Result<String, String> {
    let line = text.lines().find_map(|line| line.strip_prefix(STAMP));
    let line = line.ok_or("it has no timestamp")?;
    let response = STANDARD.decode(line).map_err(|_| "its timestamp is no base64")?;
    let body = checkpoint.to_string();
    believed
        .time(&response, body.as_bytes())
        .map_err(|error| error.message)
}

fn verify(options: &LedgerVerifyOptions, surroundings: &Surroundings) -> Result<Outcome, Failure> {
    let mut checkpoints = Vec::new();
    let believed = options
        .trusted_root
        .as_deref()
        .map(timestamps::believed)
        .transpose()?;
    for path in &options.checkpoints {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::failed(format!("--checkpoint {}: {error}", path.display())))?;
        let wrong = |why: String| Failure::failed(format!("--checkpoint {}: {why}", path.display()));
        let checkpoint: Checkpoint = text
            .parse()
            .map_err(|error: CheckpointError| wrong(error.to_string()))?;
        if let Some(believed) = &believed {
            let time = time_of(&text, &checkpoint, believed.as_ref()).map_err(wrong)?;
            eprintln!("{}: {} records at {time}", path.display(), checkpoint.size);
        }
        checkpoints.push(checkpoint);
    }
    let found = match &options.export {
        Some(path) => verify_export(path, checkpoints)?,
        None => open(surroundings)?.verify(&checkpoints)?,
    };
    let value = json!({
        "origin": found.checkpoint.origin,
        "records": found.checkpoint.size,
        "root": found.checkpoint.root,
        "faults": found.faults,
    });
    result(options.format.json, &value, || report(&found))?;
    Ok(if found.faults.is_empty() {
        Outcome::Done
    } else {
        Outcome::Found
    })
}

fn verify_export(path: &Path, mut checkpoints: Vec<Checkpoint>) -> Result<Verification, Failure> {
    let wrong = |error: String| Failure::failed(format!("--export {}: {error}", path.display()));
    let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
    let (origin, records, own) =
        read_export(&mut BufReader::new(file)).map_err(|error| wrong(error.to_string()))?;
    checkpoints.push(own);
    Ok(verify_records(&origin, &records, &checkpoints))
}

fn report(found: &Verification) -> String {
    let checkpoint = &found.checkpoint;
    let mut text = String::new();
    for Fault { number, reason } in &found.faults {
        let place = number.map_or_else(String::new, |number| format!("record {number}: "));
        text.push_str(&format!("{place}{}\n", sanitize(reason)));
    }
    let outcome = match found.faults.len() {
        0 => "nothing was changed".to_string(),
        1 => "1 fault".to_string(),
        count => format!("{count} faults"),
    };
    text.push_str(&format!(
        "{}: {} records, root {}: {outcome}\n",
        sanitize(&checkpoint.origin),
        checkpoint.size,
        checkpoint.root
    ));
    text
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Failure {
        Failure::failed(error.to_string())
    }
}
