//! `[smoke]` in `praxis.toml`: how an image shows that it works.

use serde::{Deserialize, Deserializer};

/// One smoke test. `[smoke]` is one, `[[smoke]]` are several.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct SmokeTest {
    /// What it is called.
    pub name: Option<String>,
    /// The whole command, instead of entry point and default arguments of the image.
    pub command: Option<Vec<String>>,
    /// Arguments for the entry point, instead of the default ones.
    pub args: Option<Vec<String>>,
    /// Variables over those of the image, as `NAME=value`.
    pub env: Vec<String>,
    /// What the command reads.
    pub stdin: String,
    /// What it must write, byte for byte.
    pub stdout: Option<String>,
    /// What it must write among other things.
    pub stdout_contains: Vec<String>,
    /// What it must write to standard error among other things.
    pub stderr_contains: Vec<String>,
    /// The code it must end with.
    pub exit: Option<i32>,
    /// What it must answer over HTTP; it is ended then.
    pub http: Option<HttpProbe>,
    /// Paths where it may write: empty, in memory.
    pub tmpfs: Vec<String>,
    /// The host's network instead of none.
    pub network: bool,
    /// Most memory, such as `256m`.
    pub memory: Option<String>,
    /// Most processes and threads.
    pub pids: Option<u64>,
    /// Most seconds.
    pub timeout: Option<u64>,
    /// The variants of the image it is for; empty: all.
    pub variants: Vec<String>,
}

/// A question over HTTP on the image's own loopback.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct HttpProbe {
    /// The port.
    pub port: u16,
    /// The path.
    #[serde(default = "root")]
    pub path: String,
    /// The status it must answer with.
    #[serde(default = "fine")]
    pub status: u16,
    /// What the answer must hold.
    #[serde(default)]
    pub contains: Option<String>,
}

fn root() -> String {
    "/".into()
}

fn fine() -> u16 {
    200
}

/// One table, or several.
pub(crate) fn one_or_several<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<SmokeTest>, D::Error> {
    use serde::de::Error;
    let tables = match toml::Value::deserialize(deserializer)? {
        toml::Value::Array(tables) => tables,
        table => vec![table],
    };
    let tests = tables.into_iter().map(|table| {
        let test: SmokeTest = table
            .try_into()
            .map_err(|error: toml::de::Error| D::Error::custom(error.message()))?;
        test.validate().map_err(D::Error::custom)?;
        Ok(test)
    });
    tests.collect()
}

impl SmokeTest {
    fn validate(&self) -> Result<(), String> {
        if self.command.is_some() && self.args.is_some() {
            return Err("smoke: command is the whole command: it leaves no room for args".into());
        }
        if self.http.is_some() && (self.exit.is_some() || self.stdout.is_some()) {
            return Err("smoke: a command that is asked over http is ended from outside: it has no exit code and no whole output".into());
        }
        if let Some(probe) = &self.http
            && (!probe.path.starts_with('/')
                || probe.path.contains(|c: char| c.is_whitespace() || c.is_control()))
        {
            return Err(format!(
                "smoke: http path {:?} does not begin with /, or has blanks in it",
                probe.path
            ));
        }
        if let Some(path) = self
            .tmpfs
            .iter()
            .find(|path| !path.starts_with('/') || path.split('/').any(|part| part == ".."))
        {
            return Err(format!("smoke: tmpfs {path:?} is no absolute path"));
        }
        if let Some(memory) = &self.memory
            && praxis_dockerfile::parse_size(memory).is_none_or(|bytes| bytes < 1 << 20)
        {
            return Err(format!(
                "smoke: memory {memory:?} is no size of at least 1m, such as 256m"
            ));
        }
        if let Some(line) = self.env.iter().find(|line| !line.contains('=')) {
            return Err(format!("smoke: env {line:?} is not NAME=value"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::Policy;

    #[test]
    fn one_test_or_several() {
        let one = Policy::parse("[smoke]\ncommand = [\"true\"]\nhttp = { port = 80 }\n").unwrap();
        assert_eq!(one.smoke.len(), 1);
        let probe = one.smoke[0].http.clone().unwrap();
        assert_eq!((probe.path.as_str(), probe.status), ("/", 200));
        let two = Policy::parse("[[smoke]]\nargs = [\"-V\"]\n[[smoke]]\nstdin = \"x\"\n").unwrap();
        assert_eq!(two.smoke.len(), 2);
        assert!(Policy::parse("").unwrap().smoke.is_empty());
    }

    #[test]
    fn mistakes_are_named() {
        for (text, expected) in [
            ("[smoke]\ncomand = []", "unknown field `comand`"),
            ("[smoke]\ncommand = []\nargs = []", "no room for args"),
            ("[smoke]\nexit = 0\nhttp = { port = 1 }", "ended from outside"),
            (
                "[smoke]\nhttp = { port = 1, path = \"x\" }",
                "does not begin with /",
            ),
            ("[smoke]\ntmpfs = [\"tmp\"]", "no absolute path"),
            ("[smoke]\nmemory = \"1k\"", "at least 1m"),
            ("[smoke]\nenv = [\"A\"]", "not NAME=value"),
        ] {
            let error = Policy::parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
