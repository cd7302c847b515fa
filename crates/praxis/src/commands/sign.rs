//! `praxis key`, `praxis sign`, `praxis attest` and `praxis verify`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use praxis_check::SignerIdentity;
use praxis_engine::{
    AttestOutcome, AttestRequest, CYCLONEDX, IdentityVerifier, ImageVerification, LogVerifier, PROVENANCE,
    Place, Policy, Predicate, SPDX, SignOutcome, SignRequest, StampVerifier, VerificationRequest, Worktree,
    record_time,
};

use praxis_serve::Verifier;

use super::{Outcome, Surroundings, result, write_stdout};
use crate::arguments::{AttestOptions, KeyCommand, KeyOptions, LogOptions, SignOptions, VerifyOptions};
use crate::failure::Failure;
use crate::progress::sanitize::sanitize;
use crate::{identities, keys, logs, registries, timestamps};

/// Makes keys and shows public ones.
pub fn key(command: &KeyCommand, surroundings: &Surroundings) -> Result<(), Failure> {
    let text = match command {
        KeyCommand::Generate {
            output_key_prefix,
            passphrase,
        } => {
            let [private, public] = keys::generate(output_key_prefix, passphrase, &surroundings.environment)?;
            format!("{private}  the key, encrypted: keep it\n{public}  the public key: give it away\n")
        }
        KeyCommand::TrustedRoot {
            timestamps,
            log,
            fulcio_certs,
            ct_key,
        } => logs::trusted_root(timestamps, log, fulcio_certs.as_deref(), ct_key.as_deref())?,
        KeyCommand::Public { key } => keys::signer(key, &surroundings.environment)?
            .public_key()
            .to_pem(),
    };
    write_stdout(text.as_bytes())
}

/// Signs an image.
pub fn sign(options: &SignOptions, surroundings: &Surroundings) -> Result<(), Failure> {
    refuse_legacy(options.legacy, &options.key, &options.log)?;
    let image = Place::parse(&options.image)?;
    let (engine, settings) = super::registry::opened(&options.registries, surroundings)?;
    let sealer = keys::sealer(
        &options.key,
        &options.timestamps,
        &options.log,
        &settings,
        &surroundings.environment,
    )?;
    let request = SignRequest {
        image,
        seal: sealer.seal(),
        created: record_time(),
        legacy: options.legacy,
    };
    let outcome = engine.0.sign(&request, &settings)?;
    result(options.format.json, &outcome, || signed(&outcome))
}

/// The old forms have no place for what a certificate needs, nor for entries of logs as they are today.
pub(super) fn refuse_legacy(legacy: bool, key: &KeyOptions, log: &LogOptions) -> Result<(), Failure> {
    let what = match (&key.identity_token, &log.rekor_url) {
        (Some(_), _) => "signatures with a certificate",
        (None, Some(_)) => "entries of logs",
        (None, None) => return Ok(()),
    };
    match legacy {
        true => Err(Failure::usage(format!("--legacy: {what} are in bundles only"))),
        false => Ok(()),
    }
}

fn signed(outcome: &SignOutcome) -> String {
    let lines = outcome.signed.iter().map(|one| {
        let how = if one.kept { "was signed" } else { "signed" };
        format!("{}  {}  {how}: {}\n", one.digest, one.what, one.signature)
    });
    lines.collect()
}

/// Signs statements about an image.
pub fn attest(options: &AttestOptions, surroundings: &Surroundings) -> Result<(), Failure> {
    refuse_legacy(options.legacy, &options.key, &options.log)?;
    let content = options.content.clone().unwrap_or_else(|| {
        let name = options.image.strip_prefix("docker://");
        let name = name.or_else(|| options.image.strip_prefix("store:"));
        name.unwrap_or(&options.image).to_string()
    });
    let (image, predicates) = (Place::parse(&options.image)?, predicates(options)?);
    let (engine, settings) = super::registry::opened(&options.registries, surroundings)?;
    let sealer = keys::sealer(
        &options.key,
        &options.timestamps,
        &options.log,
        &settings,
        &surroundings.environment,
    )?;
    let request = AttestRequest {
        image,
        content,
        predicates,
        seal: sealer.seal(),
        created: record_time(),
        legacy: options.legacy,
    };
    let outcome = engine.0.attest(&request, &settings)?;
    result(options.format.json, &outcome, || attested(&outcome))
}

fn attested(outcome: &AttestOutcome) -> String {
    let lines = outcome.attested.iter().map(|one| {
        let how = if one.kept { "was attested" } else { "attested" };
        format!(
            "{}  {}  {}  {how}: {}\n",
            one.subject,
            one.what,
            sanitize(&one.predicate_type),
            one.artifact
        )
    });
    lines.collect()
}

fn predicates(options: &AttestOptions) -> Result<Vec<Predicate>, Failure> {
    let Some(path) = &options.predicate else {
        let made = options
            .types
            .iter()
            .map(|text| match predicate_type(text).as_str() {
                PROVENANCE => Ok(Predicate::Provenance {
                    all: false,
                    builder: options.builder_id.clone(),
                }),
                SPDX => Ok(Predicate::Spdx),
                CYCLONEDX => Ok(Predicate::Cyclonedx),
                other => Err(Failure::usage(format!("--type {other}: what is said is missing"))
                    .with_hint("--predicate FILE")),
            });
        return made.collect();
    };
    let [one] = options.types.as_slice() else {
        return Err(Failure::usage("--predicate is what one --type says"));
    };
    let failed = |why: String| Failure::failed(format!("{}: {why}", path.display()));
    let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    Ok(vec![Predicate::Other {
        predicate_type: predicate_type(one),
        predicate: serde_json::from_slice(&bytes).map_err(|error| failed(error.to_string()))?,
    }])
}

/// The type that a word on the command line means; cosign's words too.
fn predicate_type(text: &str) -> String {
    match text {
        "provenance" | "slsaprovenance1" => PROVENANCE,
        "spdx" | "spdxjson" => SPDX,
        "cyclonedx" => CYCLONEDX,
        other => other,
    }
    .into()
}

/// Verifies an image.
pub fn verify(options: &VerifyOptions, surroundings: &Surroundings) -> Result<Outcome, Failure> {
    let mut trusted_root = options.trusted_root.clone();
    let mut request = VerificationRequest {
        predicates: options.types.iter().map(|text| predicate_type(text)).collect(),
        builders: options.builders.clone(),
        dockerfile: options.dockerfile.as_deref().map(text).transpose()?,
        sbom: options.sbom,
        require_log: options.require_log,
        ..VerificationRequest::of(Place::parse(&options.image)?)
    };
    let mut keys = believed_keys(&options.keys);
    let named = options
        .certificate_identity
        .iter()
        .zip(&options.certificate_oidc_issuer);
    let mut signers: Vec<SignerIdentity> = named
        .map(|(name, issuer)| SignerIdentity {
            name: name.clone(),
            issuer: issuer.clone(),
            require_log: false,
        })
        .collect();
    if let Some(directory) = &options.policy {
        let policy = Worktree::open(directory)?.repository(None)?.policy;
        keys.extend(demand(&mut request, &policy, directory)?);
        trusted_root = trusted_root.or(trusted_root_of(&policy, directory));
        signers.extend(policy.verify.identities.iter().cloned());
    }
    let believed = Believed::read(trusted_root.as_deref(), &signers)?;
    believe(&mut request, &keys, &believed)?;
    let (engine, settings) = super::registry::opened(&options.registries, surroundings)?;
    let verification = engine
        .0
        .verify_image(&request, &registries::interruptible(settings)?)?;
    result(options.format.json, &verification, || verified(&verification))?;
    Ok(if verification.passed {
        Outcome::Done
    } else {
        Outcome::Found
    })
}

/// Adds what `[verify]` of a policy asks for; gives the files of its keys. Paths are relative to `directory`.
pub(super) fn demand(
    request: &mut VerificationRequest,
    policy: &Policy,
    directory: &Path,
) -> Result<Vec<BelievedKey>, Failure> {
    let asked = &policy.verify;
    let predicates = asked.predicates.iter().map(|text| predicate_type(text));
    request.predicates.extend(predicates);
    request.builders.extend(asked.builders.iter().cloned());
    request.sbom |= asked.sbom;
    request.require_log |= asked.require_log;
    if let Some(path) = asked.dockerfile.as_ref().filter(|_| request.dockerfile.is_none()) {
        request.dockerfile = Some(text(&directory.join(path))?);
    }
    let keys = asked.keys.iter().map(|key| {
        let (file, logged) = key.parts();
        BelievedKey {
            file: directory.join(file),
            logged,
        }
    });
    Ok(keys.collect())
}

/// The file of a key that is believed.
pub(super) struct BelievedKey {
    file: PathBuf,
    /// Whether only signatures count that a log has.
    logged: bool,
}

/// Keys of the command line.
pub(super) fn believed_keys(files: &[PathBuf]) -> Vec<BelievedKey> {
    let key = |file: &PathBuf| BelievedKey {
        file: file.clone(),
        logged: false,
    };
    files.iter().map(key).collect()
}

/// The file that says who is believed about times.
pub(super) fn trusted_root_of(policy: &Policy, directory: &Path) -> Option<PathBuf> {
    policy
        .verify
        .trusted_root
        .as_ref()
        .map(|path| directory.join(path))
}

/// Who is believed beside keys.
pub(super) struct Believed {
    stamps: Option<Box<dyn StampVerifier>>,
    identities: Option<Box<dyn IdentityVerifier>>,
    logs: Option<Box<dyn LogVerifier>>,
    /// Whether an identity counts only where a log has the signature.
    logged: bool,
}

impl Believed {
    /// The authorities and logs of the file, and these signers as they know them.
    pub(super) fn read(trusted_root: Option<&Path>, signers: &[SignerIdentity]) -> Result<Believed, Failure> {
        Ok(Believed {
            stamps: trusted_root
                .map(timestamps::believed_of_signatures)
                .transpose()?
                .flatten(),
            identities: identities::believed(trusted_root, signers)?,
            logs: trusted_root.map(logs::believed).transpose()?.flatten(),
            logged: signers.iter().any(|signer| signer.require_log),
        })
    }

    fn lend<'b>(&'b self, request: &mut VerificationRequest<'b>) {
        request.stamps = self.stamps.as_deref();
        request.identities = self.identities.as_deref();
        request.logs = self.logs.as_deref();
    }
}

/// Adds the keys and the others that are believed; there has to be one. A log that is required has to be named.
pub(super) fn believe<'b>(
    request: &mut VerificationRequest<'b>,
    keys: &[BelievedKey],
    believed: &'b Believed,
) -> Result<(), Failure> {
    believed.lend(request);
    add_keys(request, keys, believed)
}

fn add_keys(
    request: &mut VerificationRequest,
    keys: &[BelievedKey],
    believed: &Believed,
) -> Result<(), Failure> {
    if keys.is_empty() && believed.identities.is_none() {
        return Err(Failure::usage("no key is named that is believed")
            .with_hint("--key FILE, or keys or identities in [verify] of praxis.toml"));
    }
    for key in keys {
        let public = keys::public_key(&key.file)?;
        request.keys.push(public);
        if key.logged {
            request.logged_keys.push(public);
        }
    }
    let required = request.require_log || believed.logged || !request.logged_keys.is_empty();
    match required && believed.logs.is_none() {
        true => Err(
            Failure::usage("a log has to have the signatures, and no log is named that is believed")
                .with_hint(
                    "--trusted-root FILE with a log (tlogs), or trusted-root in [verify] of praxis.toml",
                ),
        ),
        false => Ok(()),
    }
}

/// What `[verify]` of the praxis.toml in a directory demands of any image, read once.
pub(super) struct Standing {
    /// The demands, of no image and with nobody lent to it yet.
    request: VerificationRequest<'static>,
    believed: Believed,
}

impl Standing {
    /// Reads the policy, its keys and whoever else it believes; there has to be somebody.
    pub(super) fn read(directory: &Path) -> Result<Standing, Failure> {
        let policy = Worktree::open(directory)?.repository(None)?.policy;
        let trusted_root = trusted_root_of(&policy, directory);
        let believed = Believed::read(trusted_root.as_deref(), &policy.verify.identities)?;
        let mut request = VerificationRequest::of(Place::parse("any")?);
        let keys = demand(&mut request, &policy, directory)?;
        add_keys(&mut request, &keys, &believed)?;
        Ok(Standing { request, believed })
    }
}

impl Verifier for Standing {
    fn demands(&self, image: Place) -> VerificationRequest<'_> {
        let mut request: VerificationRequest<'_> = self.request.clone();
        request.image = image;
        self.believed.lend(&mut request);
        request
    }
}

fn text(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| Failure::failed(format!("{}: {error}", path.display())))
}

fn verified(verification: &ImageVerification) -> String {
    let mut text = String::new();
    for check in &verification.checks {
        let mark = if check.holds { "✔" } else { "✘" };
        let why = check
            .why
            .as_deref()
            .map(|why| format!(": {}", sanitize(why)))
            .unwrap_or_default();
        let _ = writeln!(text, "{mark} {}  {}{why}", check.digest, sanitize(&check.what));
    }
    let rejected: usize = verification.parts.iter().map(|part| part.rejected.len()).sum();
    if rejected > 0 {
        let _ = writeln!(
            text,
            "{rejected} bundles that refer to it are not believed; --json says why"
        );
    }
    let end = if verification.passed {
        "is verified"
    } else {
        "is NOT verified"
    };
    let _ = writeln!(text, "{} {end}", verification.digest);
    text
}
