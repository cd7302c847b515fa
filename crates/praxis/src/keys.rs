//! Keys from where the options name them, and nowhere else.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use praxis_engine::{KeyCommand, Log, PrivateKey, PublicKey, Seal, SignError, Signer, Stamp, Zeroizing};
use praxis_registry::Settings;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use crate::arguments::{KeyOptions, LogOptions, PassphraseOption, TimestampOptions};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::{identities, logs, timestamps};

/// No key file is larger.
const LARGEST: u64 = 64 << 10;
const VARIABLES: [&str; 2] = ["PRAXIS_KEY_PASSWORD", "COSIGN_PASSWORD"];

/// What signs an image: a key or an identity, and who says when.
pub struct Sealer {
    /// The key.
    pub signer: Box<dyn Signer>,
    /// Who says when it was signed.
    pub stamp: Option<Box<dyn Stamp>>,
    /// The log that is to have it.
    pub log: Option<Box<dyn Log>>,
}

impl Sealer {
    /// The same, borrowed.
    pub fn seal(&self) -> Seal<'_> {
        Seal {
            signer: self.signer.as_ref(),
            stamp: self.stamp.as_deref(),
            log: self.log.as_deref(),
        }
    }
}

/// What signs an image.
pub fn sealer(
    key: &KeyOptions,
    times: &TimestampOptions,
    log: &LogOptions,
    settings: &Settings,
    environment: &Environment,
) -> Result<Sealer, Failure> {
    let stamp = timestamps::stamp(times, settings)?;
    let log = logs::log(log, settings)?;
    let signer = match (&key.identity_token, &key.fulcio_url) {
        (Some(_), _) if stamp.is_none() => {
            return Err(Failure::usage(
                "--identity-token: a signature needs a time, because its certificate ends within minutes",
            )
            .with_hint("--timestamp-server and --timestamp-certs"));
        }
        (Some(token), Some(address)) => {
            let token = secret(token, "--identity-token", environment)?;
            identities::certified(address, &Zeroizing::new(token.trim().to_string()), settings)?
        }
        _ => signer(key, environment)?,
    };
    Ok(Sealer { signer, stamp, log })
}

/// What a file or env://NAME holds.
fn secret(place: &str, option: &str, environment: &Environment) -> Result<Zeroizing<String>, Failure> {
    match place.strip_prefix("env://") {
        Some(name) => environment
            .text(name)
            .map(|text| Zeroizing::new(text.to_string()))
            .ok_or_else(|| Failure::usage(format!("{option} {place}: the variable {name} is not set"))),
        None => read(Path::new(place)),
    }
}

/// A key that is kept somewhere.
pub fn signer(options: &KeyOptions, environment: &Environment) -> Result<Box<dyn Signer>, Failure> {
    if let (Some(command), Some(public)) = (&options.key_command, &options.public_key) {
        return Ok(Box::new(KeyCommand {
            command: command.clone(),
            public_key: public_key(public)?,
        }));
    }
    let Some(key) = &options.key else {
        return Err(
            Failure::usage("no key is named").with_hint("--key FILE, or --key-command and --public-key")
        );
    };
    let text = secret(key, "--key", environment)?;
    let mut passphrase = || passphrase(&options.passphrase, environment, false);
    let key = PrivateKey::from_pem(&text, &mut passphrase).map_err(|error| told(key, error))?;
    Ok(Box::new(key))
}

/// A public key from a file.
pub fn public_key(path: &Path) -> Result<PublicKey, Failure> {
    PublicKey::from_pem(&read(path)?).map_err(|error| told(&path.display().to_string(), error))
}

/// Makes a key pair. Files that are there stay.
pub fn generate(
    prefix: &Path,
    options: &PassphraseOption,
    environment: &Environment,
) -> Result<[String; 2], Failure> {
    let name = |end: &str| {
        let mut name = prefix.as_os_str().to_owned();
        name.push(end);
        std::path::PathBuf::from(name)
    };
    let (private, public) = (name(".key"), name(".pub"));
    if let Some(there) = [&private, &public]
        .into_iter()
        .find(|path| path.symlink_metadata().is_ok())
    {
        return Err(Failure::failed(format!(
            "{}: there is such a file, and a key is not overwritten",
            there.display()
        )));
    }
    let passphrase = passphrase(options, environment, true).map_err(|error| told("passphrase", error))?;
    let key = PrivateKey::generate();
    let sealed = key
        .to_sealed_pem(passphrase.as_bytes())
        .map_err(|error| told("key", error))?;
    write_new(&private, 0o600, &sealed)?;
    write_new(&public, 0o644, &key.public_key().to_pem())?;
    Ok([private, public].map(|path| path.display().to_string()))
}

fn write_new(path: &Path, mode: u32, text: &str) -> Result<(), Failure> {
    let opened = std::fs::File::options()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path);
    let written = opened.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    written.map_err(|error| Failure::failed(format!("{}: {error}", path.display())))
}

fn told(what: &str, error: SignError) -> Failure {
    Failure {
        hint: error.hint,
        ..Failure::failed(format!("{what}: {}", error.message))
    }
}

fn read(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let failed = |why: String| Failure::failed(format!("{}: {why}", path.display()));
    let length = std::fs::metadata(path)
        .map_err(|error| failed(error.to_string()))?
        .len();
    if length > LARGEST {
        return Err(failed(format!("{length} bytes are too many for a key")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    Ok(Zeroizing::new(text))
}

/// The passphrase: from the file, from a variable, from the terminal.
fn passphrase(
    options: &PassphraseOption,
    environment: &Environment,
    twice: bool,
) -> Result<Zeroizing<String>, SignError> {
    let failed = |message: String| SignError { message, hint: None };
    if let Some(path) = &options.key_password_file {
        let text = read(path).map_err(|failure| failed(failure.message))?;
        return Ok(Zeroizing::new(text.trim_end_matches(['\n', '\r']).to_string()));
    }
    if let Some(given) = VARIABLES.iter().find_map(|name| environment.text(name)) {
        return Ok(Zeroizing::new(given.to_string()));
    }
    if !std::io::stdin().is_terminal() {
        return Err(SignError {
            message: "the key is encrypted, and there is no passphrase".into(),
            hint: Some("--key-password-file FILE, PRAXIS_KEY_PASSWORD, or a terminal to ask on".into()),
        });
    }
    let asked = |question: &str| ask(question).map_err(|error| failed(format!("no passphrase: {error}")));
    let first = asked("Passphrase of the key: ")?;
    if twice && *asked("The same again: ")? != *first {
        return Err(failed("they are not the same".into()));
    }
    Ok(first)
}

/// Asks on the terminal, without showing what is typed.
fn ask(question: &str) -> std::io::Result<Zeroizing<String>> {
    let stdin = std::io::stdin();
    let before = tcgetattr(&stdin)?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    eprint!("{question}");
    tcsetattr(&stdin, OptionalActions::Flush, &silent)?;
    let mut line = Zeroizing::new(String::new());
    let read = stdin.lock().read_line(&mut line);
    tcsetattr(&stdin, OptionalActions::Flush, &before)?;
    eprintln!();
    read?;
    Ok(Zeroizing::new(line.trim_end_matches(['\n', '\r']).to_string()))
}
