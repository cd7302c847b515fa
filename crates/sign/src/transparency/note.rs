//! Checkpoints that a log signed (C2SP signed-note, tlog-checkpoint).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use praxis_merkle::Checkpoint;

use super::instance::TransparencyLog;

/// No note is longer.
const LARGEST: usize = 64 << 10;

/// The checkpoint of a note that `log` signed under its own name. The text is why it is not believed.
pub fn opened(note: &str, log: &TransparencyLog) -> Result<Checkpoint, String> {
    let (checkpoint, text, signatures) = read(note)?;
    let names = log.names();
    let name = names
        .into_iter()
        .find(|name| is_origin_of(&checkpoint.origin, name));
    let name = name.ok_or_else(|| {
        let origin = &checkpoint.origin;
        format!("its checkpoint is of {origin:?}, not of {:?}", names[0])
    })?;
    let id = &log.key.note_id(name)[..4];
    let mut own = signatures
        .iter()
        .filter(|one| one.name == name && one.bytes.starts_with(id));
    match own.any(|one| log.key.verifies(text.as_bytes(), &one.bytes[4..])) {
        true => Ok(checkpoint),
        false => Err("its checkpoint is not signed by the log's key".into()),
    }
}

/// The name itself, or with the number of a tree, as logs of Rekor's first version have it.
fn is_origin_of(origin: &str, name: &str) -> bool {
    let number = origin
        .strip_prefix(name)
        .and_then(|rest| rest.strip_prefix(" - "));
    let tree = number.is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()));
    origin == name || tree
}

struct NoteSignature<'a> {
    name: &'a str,
    /// Four bytes of the key's id, and the signature.
    bytes: Vec<u8>,
}

/// The checkpoint, the text that is signed, and the signatures.
fn read(note: &str) -> Result<(Checkpoint, &str, Vec<NoteSignature<'_>>), String> {
    let broken = || "its checkpoint is no signed note".to_string();
    if note.len() > LARGEST {
        return Err(broken());
    }
    let mut parts = note.split("\n\n");
    let (Some(text), Some(lines), None) = (parts.next(), parts.next(), parts.next()) else {
        return Err(broken());
    };
    let signed = &note[..=text.len()];
    let lines = lines.strip_suffix('\n').ok_or_else(broken)?;
    let signatures = lines.split('\n').map(|line| {
        let (name, bytes) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
        Some(NoteSignature {
            name,
            bytes: STANDARD.decode(bytes).ok().filter(|bytes| bytes.len() > 4)?,
        })
    });
    let signatures = signatures.collect::<Option<Vec<_>>>().ok_or_else(broken)?;
    let checkpoint = signed
        .parse()
        .map_err(|error: praxis_merkle::CheckpointError| error.to_string())?;
    Ok((checkpoint, signed, signatures))
}
