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

/// `--ssh ID[=SOCKET|KEY[,KEY…]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshOption {
    /// Name that `RUN --mount=type=ssh,id=…` uses.
    pub id: String,
    /// One socket, or key files; empty: the agent of the environment.
    pub paths: Vec<PathBuf>,
}

impl std::str::FromStr for SshOption {
    type Err = String;

    fn from_str(text: &str) -> Result<SshOption, String> {
        let (id, paths) = match text.split_once('=') {
            Some((id, paths)) => (id, paths.split(',').collect()),
            None => (text, Vec::new()),
        };
        if id.is_empty() || paths.contains(&"") {
            return Err("write default, ID, ID=SOCKET or ID=KEY[,KEY…]".into());
        }
        Ok(SshOption {
            id: id.into(),
            paths: paths.into_iter().map(PathBuf::from).collect(),
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
        let paths = |text: &str| text.parse::<SshOption>().unwrap().paths;
        assert!(paths("default").is_empty());
        assert_eq!(paths("k=/a"), [PathBuf::from("/a")]);
        assert_eq!(paths("a=b,c"), [PathBuf::from("b"), PathBuf::from("c")]);
        for text in ["=x", "a=", "a=b,"] {
            assert!(text.parse::<SshOption>().is_err(), "{text}");
        }
    }
}
