use std::path::PathBuf;

use praxis_bake::csv;

/// `--secret id=NAME[,src=FILE|env=VARIABLE][,type=file|env]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretOption {
    /// Name that `RUN --mount=type=secret,id=…` uses.
    pub id: String,
    /// Where the bytes are.
    pub origin: SecretOrigin,
}

/// Where a secret's bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretOrigin {
    /// In a file.
    File(PathBuf),
    /// In a variable of the environment.
    Variable(String),
    /// In the variable named like the secret if there is one, else in the file named so.
    Named,
}

impl std::str::FromStr for SecretOption {
    type Err = String;

    fn from_str(text: &str) -> Result<SecretOption, String> {
        let (mut id, mut kind, mut source, mut variable) = (None, None, None, None);
        for (key, value) in csv::pairs(text)? {
            let place = match key.as_str() {
                "id" => &mut id,
                "type" => &mut kind,
                "src" | "source" => &mut source,
                "env" => &mut variable,
                _ => return Err(format!("unknown key {key:?}: use id=, src=, env= and type=")),
            };
            *place = Some(value);
        }
        let id = id.filter(|id| !id.is_empty()).ok_or("a secret needs id=NAME")?;
        let origin = match (kind.as_deref(), source, variable) {
            (_, Some(_), Some(_)) => return Err("a secret has one source: src= or env=, not both".into()),
            (Some("env"), Some(name), None) => SecretOrigin::Variable(name),
            (None | Some("file" | ""), Some(path), None) => SecretOrigin::File(path.into()),
            (None | Some("env" | ""), None, Some(name)) => SecretOrigin::Variable(name),
            (Some("file"), None, Some(_)) => return Err("type=file needs src=FILE".into()),
            (Some("env"), None, None) => SecretOrigin::Variable(id.clone()),
            (Some("file"), None, None) => SecretOrigin::File(id.clone().into()),
            (None | Some(""), None, None) => SecretOrigin::Named,
            (Some(other), ..) => return Err(format!("type={other} is not supported: use file or env")),
        };
        Ok(SecretOption { id, origin })
    }
}

/// `--ssh ID[=SOCKET|KEY]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshOption {
    /// Name that `RUN --mount=type=ssh,id=…` uses.
    pub id: String,
    /// Socket or key file; `None`: the agent of the environment.
    pub path: Option<PathBuf>,
}

impl std::str::FromStr for SshOption {
    type Err = String;

    fn from_str(text: &str) -> Result<SshOption, String> {
        let (id, path) = match text.split_once('=') {
            Some((id, path)) => (id, Some(path)),
            None => (text, None),
        };
        if id.is_empty() || path == Some("") {
            return Err("write default, ID or ID=SOCKET".into());
        }
        if path.is_some_and(|path| path.contains(',')) {
            return Err("one socket or key for an id; use several --ssh with different ids".into());
        }
        Ok(SshOption {
            id: id.into(),
            path: path.map(PathBuf::from),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> SecretOrigin {
        text.parse::<SecretOption>().unwrap().origin
    }

    #[test]
    fn forms_of_a_secret() {
        assert_eq!(origin("id=a,src=f"), SecretOrigin::File("f".into()));
        assert_eq!(origin("id=a,source=f,type=file"), SecretOrigin::File("f".into()));
        assert_eq!(origin("id=a,env=V"), SecretOrigin::Variable("V".into()));
        assert_eq!(origin("type=env,id=a"), SecretOrigin::Variable("a".into()));
        assert_eq!(origin("type=env,id=a,src=V"), SecretOrigin::Variable("V".into()));
        assert_eq!(origin("id=a"), SecretOrigin::Named);
    }

    #[test]
    fn wrong_secrets() {
        for text in [
            "src=f",
            "id=",
            "id=a,src=f,env=V",
            "id=a,type=vault",
            "a",
            "id=a,path=f",
        ] {
            assert!(text.parse::<SecretOption>().is_err(), "{text}");
        }
    }

    #[test]
    fn forms_of_ssh() {
        assert_eq!("default".parse::<SshOption>().unwrap().path, None);
        assert_eq!("k=/a".parse::<SshOption>().unwrap().path, Some("/a".into()));
        assert!("=x".parse::<SshOption>().is_err());
        assert!("a=b,c".parse::<SshOption>().is_err());
    }
}
