//! A ledger as lines of JSON: what it is, every record's text as it is hashed, and the checkpoint over all of them.

use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize};

use crate::{Checkpoint, CheckpointError, LedgerError, Record};

const FORMAT: u32 = 1;
/// Lines that are longer are no records.
const LONGEST: u64 = 16 << 20;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    praxis_ledger: u32,
    origin: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Foot {
    checkpoint: String,
}

/// Writes `records`, which `checkpoint` covers.
///
/// # Errors
/// If `out` fails.
pub fn write_export(records: &[Record], checkpoint: &Checkpoint, out: &mut dyn Write) -> io::Result<()> {
    let head = Head {
        praxis_ledger: FORMAT,
        origin: checkpoint.origin.clone(),
    };
    serde_json::to_writer(&mut *out, &head)?;
    out.write_all(b"\n")?;
    for record in records {
        writeln!(out, "{}", record.text)?;
    }
    let foot = Foot {
        checkpoint: checkpoint.to_string(),
    };
    serde_json::to_writer(&mut *out, &foot)?;
    out.write_all(b"\n")
}

/// Reads an export: its origin, its records, and the checkpoint it ends with. Whether they belong together is for
/// [`crate::verify_records`] to say.
///
/// # Errors
/// With the number of the line that is not as it should be.
pub fn read_export(input: &mut dyn BufRead) -> Result<(String, Vec<Record>, Checkpoint), LedgerError> {
    let mut number = 0_u64;
    let mut next = || -> Result<Option<(u64, String)>, LedgerError> {
        number += 1;
        let mut line = Vec::new();
        let mut limited = io::Read::take(&mut *input, LONGEST);
        limited
            .read_until(b'\n', &mut line)
            .map_err(|error| LedgerError::Text(format!("line {number}: {error}")))?;
        if line.is_empty() {
            return Ok(None);
        }
        if line.pop() != Some(b'\n') {
            return Err(LedgerError::Text(format!(
                "line {number}: it is cut off, or too long"
            )));
        }
        let line = String::from_utf8(line)
            .map_err(|_| LedgerError::Text(format!("line {number}: it is no UTF-8")))?;
        Ok(Some((number, line)))
    };
    let at = |number: u64, reason: String| LedgerError::Text(format!("line {number}: {reason}"));
    let (_, head) = next()?.ok_or_else(|| LedgerError::Text("line 1: the export is empty".into()))?;
    let head: Head = serde_json::from_str(&head)
        .ok()
        .filter(|head: &Head| head.praxis_ledger == FORMAT)
        .ok_or_else(|| at(1, "this is no export of a ledger (praxis ledger export)".into()))?;
    let mut records = Vec::new();
    while let Some((number, line)) = next()? {
        if let Ok(foot) = serde_json::from_str::<Foot>(&line) {
            let checkpoint = foot
                .checkpoint
                .parse()
                .map_err(|error: CheckpointError| at(number, error.to_string()))?;
            return match next()? {
                None => Ok((head.origin, records, checkpoint)),
                Some((number, _)) => Err(at(number, "there is something after the checkpoint".into())),
            };
        }
        records.push(Record::parse(line).map_err(|reason| at(number, reason))?);
    }
    Err(LedgerError::Text(format!(
        "line {}: the export has no checkpoint at its end: it is cut off",
        records.len() + 2
    )))
}
