//! What must not be on record.

use std::collections::BTreeMap;

use praxis_dockerfile::is_sensitive;

use crate::BuildRequest;

const MASK: &str = "********";

/// Shorter texts are not masked: they would be found everywhere.
const SHORTEST: usize = 4;

/// Texts that are masked wherever they occur.
pub(crate) struct Hidden(Vec<String>);

impl Hidden {
    /// Secrets, values of build arguments whose names sound like secrets', and credentials in addresses.
    pub fn of(request: &BuildRequest) -> Hidden {
        let mut texts: Vec<String> = Vec::new();
        for secret in request.secrets.values() {
            let text = String::from_utf8_lossy(&secret.bytes);
            texts.push(text.trim().to_string());
            texts.extend(text.lines().map(|line| line.trim().to_string()));
        }
        let arguments = request.build_args.iter();
        texts.extend(
            arguments
                .filter(|(name, _)| is_sensitive(name))
                .map(|(_, value)| value.clone()),
        );
        let lent = request
            .site
            .proxies
            .values()
            .chain(request.site.variables.values());
        let addresses = lent.chain(request.build_args.values());
        texts.extend(addresses.filter_map(|address| credentials(address).map(String::from)));
        texts.retain(|text| text.len() >= SHORTEST);
        // A text that is part of another must not spoil the other.
        texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
        texts.dedup();
        Hidden(texts)
    }

    /// The text with everything masked that must not be on record.
    pub fn mask(&self, text: &str) -> String {
        let mut masked = text.to_string();
        for hidden in &self.0 {
            if masked.contains(hidden.as_str()) {
                masked = masked.replace(hidden.as_str(), MASK);
            }
        }
        masked
    }
}

/// Build arguments as they may be on record.
pub(crate) fn arguments(given: &BTreeMap<String, String>) -> BTreeMap<String, Option<String>> {
    let shown = |(name, value): (&String, &String)| {
        let value = (!is_sensitive(name) && !praxis_plan::looks_like_token(value))
            .then(|| without_credentials(value));
        (name.clone(), value)
    };
    given.iter().map(shown).collect()
}

/// An address without user and password.
pub(crate) fn without_credentials(address: &str) -> String {
    match credentials(address) {
        Some(credentials) => address.replacen(credentials, MASK, 1),
        None => address.to_string(),
    }
}

/// `user:password` of an address.
fn credentials(address: &str) -> Option<&str> {
    let (_, rest) = address.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let (credentials, _) = authority.rsplit_once('@')?;
    credentials.contains(':').then_some(credentials)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SecretSource;

    #[test]
    fn row_67_secrets_tokens_and_passwords_are_masked() {
        let mut request = BuildRequest::default();
        let bytes = b"first-line\nsecond-line\n".to_vec();
        request.secrets.insert("key".into(), SecretSource { bytes });
        request
            .build_args
            .insert("NPM_TOKEN".into(), "npm-token-value".into());
        request.build_args.insert("MODE".into(), "release".into());
        request
            .site
            .proxies
            .insert("http_proxy".into(), "http://me:pass-word@proxy:3128/".into());
        let hidden = Hidden::of(&request);
        let text = "a second-line b npm-token-value c http://me:pass-word@proxy:3128 release first";
        assert_eq!(
            hidden.mask(text),
            "a ******** b ******** c http://********@proxy:3128 release first"
        );
        let arguments = arguments(&request.build_args);
        assert_eq!(arguments["NPM_TOKEN"], None);
        assert_eq!(arguments["MODE"].as_deref(), Some("release"));
        assert_eq!(
            without_credentials("https://u:p@host/x.git#main"),
            "https://********@host/x.git#main"
        );
        assert_eq!(without_credentials("git@host:x.git"), "git@host:x.git");
    }
}
