use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use super::{JsonOption, RegistryOptions};

/// `praxis key …`.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a key pair: PREFIX.key, encrypted, and PREFIX.pub
    Generate {
        /// Beginning of the names of both files.
        #[arg(long, value_name = "PREFIX", default_value = "praxis", value_hint = ValueHint::FilePath)]
        output_key_prefix: PathBuf,
        /// The passphrase.
        #[command(flatten)]
        passphrase: PassphraseOption,
    },
    /// Write the public key of a key
    Public {
        /// The key.
        #[command(flatten)]
        key: KeyOptions,
    },
    /// Write the trustedroot.json by which others, cosign among them, believe authorities about times and
    /// identities, and logs
    TrustedRoot {
        /// The authority that says times.
        #[command(flatten)]
        timestamps: TimestampOptions,
        /// The log of signatures.
        #[command(flatten)]
        log: LogOptions,
        /// Certificates (PEM) of the authority that says who signed: those between first, the root last.
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        fulcio_certs: Option<PathBuf>,
        /// Public key (PEM) of the log that has to have seen the certificates of --fulcio-certs.
        #[arg(long, value_name = "FILE", requires = "fulcio_certs", value_hint = ValueHint::FilePath)]
        ct_key: Option<PathBuf>,
    },
}

/// How the passphrase of a key is given.
#[derive(Clone, Debug, Default, Args)]
pub struct PassphraseOption {
    /// File with the passphrase of the key [default: $PRAXIS_KEY_PASSWORD, $COSIGN_PASSWORD, else it is asked for].
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub key_password_file: Option<PathBuf>,
}

/// The key that signs. It is never looked for: it signs where it is named.
#[derive(Clone, Debug, Default, Args)]
pub struct KeyOptions {
    /// Private key in PEM form, plain or encrypted: a file, or env://NAME for a variable that holds it.
    #[arg(long, value_name = "KEY", required_unless_present_any = ["key_command", "identity_token"], value_hint = ValueHint::FilePath)]
    pub key: Option<String>,
    /// Command that signs with a key of a token or service: it reads the bytes to sign and writes a DER signature, such as
    /// `openssl dgst -sha256 -sign KEY`. Needs --public-key.
    #[arg(long, value_name = "COMMAND", conflicts_with = "key", requires = "public_key")]
    pub key_command: Option<String>,
    /// Public key of the one that --key-command signs with.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub public_key: Option<PathBuf>,
    /// Sign without a key to keep: the identity token of whoever signs, in a file or env://NAME, for which --fulcio-url gives
    /// a certificate. Needs --timestamp-server, because the certificate ends within minutes.
    #[arg(long, value_name = "TOKEN", conflicts_with_all = ["key", "key_command"], requires = "fulcio_url", value_hint = ValueHint::FilePath)]
    pub identity_token: Option<String>,
    /// Address of the certificate authority (Fulcio) for --identity-token.
    #[arg(long, value_name = "URL", env = "PRAXIS_FULCIO_URL")]
    pub fulcio_url: Option<String>,
    /// The passphrase.
    #[command(flatten)]
    pub passphrase: PassphraseOption,
}

/// Who says when it was signed (RFC 3161).
#[derive(Clone, Debug, Default, Args)]
pub struct TimestampOptions {
    /// Address of a timestamp authority: a signature then holds when it was made.
    #[arg(
        long,
        value_name = "URL",
        env = "PRAXIS_TIMESTAMP_SERVER",
        requires = "timestamp_certs"
    )]
    pub timestamp_server: Option<String>,
    /// Certificates of that authority (PEM): the one that signs first, the root last.
    #[arg(long, value_name = "FILE", env = "PRAXIS_TIMESTAMP_CERTS", requires = "timestamp_server", value_hint = ValueHint::FilePath)]
    pub timestamp_certs: Option<PathBuf>,
}

/// Which log is to have it.
#[derive(Clone, Debug, Default, Args)]
pub struct LogOptions {
    /// Address of a log of signatures (Rekor, version 2): it is shown every signature before anything is pushed, and what it
    /// answers is verified.
    #[arg(long, value_name = "URL", env = "PRAXIS_REKOR_URL", requires = "rekor_key")]
    pub rekor_url: Option<String>,
    /// Key of that log: its public key (PEM), or a trustedroot.json that names the log at that address.
    #[arg(long, value_name = "FILE", env = "PRAXIS_REKOR_KEY", requires = "rekor_url", value_hint = ValueHint::FilePath)]
    pub rekor_key: Option<PathBuf>,
}

/// Options of `praxis sign`.
#[derive(Debug, Args)]
pub struct SignOptions {
    /// The image: docker://NAME, oci-layout:DIR[:TAG], oci-archive:FILE[:TAG] or a name of the store.
    #[arg(value_name = "IMAGE")]
    pub image: String,
    /// The key.
    #[command(flatten)]
    pub key: KeyOptions,
    /// When.
    #[command(flatten)]
    pub timestamps: TimestampOptions,
    /// Who else hears of it.
    #[command(flatten)]
    pub log: LogOptions,
    /// Sign in the old form too, under the tag sha256-DIGEST.sig: for verifiers that do not know bundles. Only in a
    /// registry.
    #[arg(long)]
    pub legacy: bool,
    /// Registries.
    #[command(flatten)]
    pub registries: RegistryOptions,
    /// Output format.
    #[command(flatten)]
    pub format: JsonOption,
}

/// Options of `praxis attest`.
#[derive(Debug, Args)]
pub struct AttestOptions {
    /// The image: docker://NAME, oci-layout:DIR[:TAG], oci-archive:FILE[:TAG] or a name of the store.
    #[arg(value_name = "IMAGE")]
    pub image: String,
    /// What to say: provenance, spdx or cyclonedx, which praxis finds out; with --predicate also the address of another
    /// type. May be repeated.
    #[arg(long = "type", value_name = "TYPE", required = true)]
    pub types: Vec<String>,
    /// File with what is said (JSON), where praxis does not find it out.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub predicate: Option<PathBuf>,
    /// Who built it, for the provenance.
    #[arg(long, value_name = "URI")]
    pub builder_id: Option<String>,
    /// Where the image is looked into, as for `praxis inspect` [default: IMAGE; for docker://NAME its name in the store].
    #[arg(long, value_name = "IMAGE")]
    pub content: Option<String>,
    /// The key.
    #[command(flatten)]
    pub key: KeyOptions,
    /// When.
    #[command(flatten)]
    pub timestamps: TimestampOptions,
    /// Who else hears of it.
    #[command(flatten)]
    pub log: LogOptions,
    /// Attest in the old form too, under the tag sha256-DIGEST.att. Only in a registry.
    #[arg(long)]
    pub legacy: bool,
    /// Registries.
    #[command(flatten)]
    pub registries: RegistryOptions,
    /// Output format.
    #[command(flatten)]
    pub format: JsonOption,
}

/// Options of `praxis verify`.
#[derive(Debug, Args)]
#[command(after_help = "Exit status: 0 everything holds; 1 something does not, or the image cannot be read.")]
pub struct VerifyOptions {
    /// The image: docker://NAME, oci-layout:DIR[:TAG], oci-archive:FILE[:TAG] or a name of the store.
    #[arg(value_name = "IMAGE")]
    pub image: String,
    /// Authorities that are believed about times (trustedroot.json): only signatures with a time by one of them count. Of
    /// logs that it names, entries and timestamps of certificates have to hold.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub trusted_root: Option<PathBuf>,
    /// Public key that is believed; may be repeated.
    #[arg(long = "key", value_name = "FILE", required_unless_present_any = ["policy", "certificate_identity"], value_hint = ValueHint::FilePath)]
    pub keys: Vec<PathBuf>,
    /// Who is believed to have signed with a certificate: the address of mail or URI that it names, to the letter. Needs
    /// --trusted-root.
    #[arg(long, value_name = "NAME", requires = "certificate_oidc_issuer")]
    pub certificate_identity: Option<String>,
    /// Who knows that identity: the issuer of its tokens, to the letter.
    #[arg(long, value_name = "URL", requires = "certificate_identity")]
    pub certificate_oidc_issuer: Option<String>,
    /// Only signatures count that a log of --trusted-root has.
    #[arg(long)]
    pub require_log: bool,
    /// Statement that has to be there: provenance, spdx, cyclonedx or the address of a type; may be repeated.
    #[arg(long = "type", value_name = "TYPE")]
    pub types: Vec<String>,
    /// Who may have built it, as the provenance says; may be repeated.
    #[arg(long = "builder-id", value_name = "URI")]
    pub builders: Vec<String>,
    /// Dockerfile whose pinned bases the provenance has to name.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub dockerfile: Option<PathBuf>,
    /// Compare SBOMs with the files of the image.
    #[arg(long)]
    pub sbom: bool,
    /// Take what has to hold from `[verify]` of the praxis.toml in this directory; options add to it.
    #[arg(long, value_name = "DIR", num_args = 0..=1, default_missing_value = ".", value_hint = ValueHint::DirPath)]
    pub policy: Option<PathBuf>,
    /// Registries.
    #[command(flatten)]
    pub registries: RegistryOptions,
    /// Output format.
    #[command(flatten)]
    pub format: JsonOption,
}
