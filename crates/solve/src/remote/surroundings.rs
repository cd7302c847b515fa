//! What git finds around it: an environment and settings made from nothing.

use std::ffi::OsString;
use std::path::Path;

use crate::remote::address::Transport;
use crate::remote::git::{Git, Reach};

/// What every command has as its only settings besides those of the repository that was made for it.
pub(super) const SETTINGS: &str = "\
[core]
\thooksPath = /dev/null
\tfsmonitor = false
\taskPass = /bin/false
\tattributesFile = /dev/null
\texcludesFile = /dev/null
\tlogAllRefUpdates = false
\tsymlinks = true
[credential]
\thelper =
[fetch]
\trecurseSubmodules = false
\twriteCommitGraph = false
[submodule]
\trecurse = false
[gc]
\tauto = 0
[maintenance]
\tauto = false
[http]
\tlowSpeedLimit = 100
\tlowSpeedTime = 120
[advice]
\tdetachedHead = false
[commit]
\tgpgSign = false
[log]
\tshowSignature = false
";

impl Git<'_> {
    /// The whole environment of a command.
    pub(super) fn environment(&self, directory: &Path, reach: Reach) -> Vec<(OsString, OsString)> {
        let mut pairs: Vec<(OsString, OsString)> = Vec::new();
        let mut set = |name: &str, value: OsString| pairs.push((name.into(), value));
        // Where programs are is no setting: git itself is found the same way.
        set(
            "PATH",
            std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into()),
        );
        set("HOME", self.home.clone().into());
        set("LC_ALL", "C.UTF-8".into());
        set("GIT_CONFIG_NOSYSTEM", "1".into());
        set("GIT_CONFIG_GLOBAL", self.home.join("settings").into());
        set("GIT_ATTR_NOSYSTEM", "1".into());
        set(
            "GIT_CEILING_DIRECTORIES",
            directory.parent().unwrap_or(directory).into(),
        );
        set("GIT_TERMINAL_PROMPT", "0".into());
        set("GIT_NO_LAZY_FETCH", "1".into());
        set("GIT_OPTIONAL_LOCKS", "0".into());
        set("GIT_PROTOCOL_FROM_USER", "0".into());
        set("GIT_ALLOW_PROTOCOL", self.protocols(reach).into());
        if !matches!(reach, Reach::Nowhere) {
            self.lend(&mut set);
            let settings = self.settings(reach);
            set("GIT_CONFIG_COUNT", settings.len().to_string().into());
            for (index, (name, value)) in settings.into_iter().enumerate() {
                set(&format!("GIT_CONFIG_KEY_{index}"), name.into());
                set(&format!("GIT_CONFIG_VALUE_{index}"), value.into());
            }
        }
        pairs
    }

    fn protocols(&self, reach: Reach) -> String {
        match (reach, self.address.transport) {
            // Never empty: that would mean git's own choice.
            (Reach::Nowhere, _) => "none".into(),
            (Reach::Address, own) => own.name().into(),
            (Reach::Submodules, own @ (Transport::Http | Transport::Git)) => {
                format!("{}:https:ssh", own.name())
            }
            (Reach::Submodules, _) => "https:ssh".into(),
        }
    }

    /// Certificates, proxies and ssh.
    fn lend(&self, set: &mut impl FnMut(&str, OsString)) {
        let site = self.access.site;
        if let Some(bundle) = &site.ca_bundle {
            set("GIT_SSL_CAINFO", bundle.into());
        }
        let mut own = "localhost,127.0.0.1".to_string();
        for (name, value) in &site.proxies {
            match name.to_ascii_lowercase().as_str() {
                "no_proxy" => own = format!("{own},{value}"),
                lower @ ("http_proxy" | "https_proxy" | "all_proxy") => set(lower, value.into()),
                _ => {}
            }
        }
        set("no_proxy", own.into());
        let mut ssh = String::from(
            "ssh -F /dev/null -o BatchMode=yes -o StrictHostKeyChecking=yes -o ConnectTimeout=30 \
             -o ServerAliveInterval=30",
        );
        if let Some(path) = &site.known_hosts {
            ssh.push_str(&format!(
                " -o {}",
                quoted(&format!("UserKnownHostsFile={}", path.display()))
            ));
        }
        match self.access.ssh.get("default") {
            Some(path) if path.is_file() => {
                let key = quoted(&path.display().to_string());
                ssh.push_str(&format!(" -o IdentitiesOnly=yes -o IdentityAgent=none -i {key}"));
            }
            Some(socket) => set("SSH_AUTH_SOCK", socket.into()),
            None => {}
        }
        set("GIT_SSH_COMMAND", ssh.into());
        set("GIT_SSH_VARIANT", "ssh".into());
    }

    /// Settings that hold secrets or depend on the command: in its environment, which other users cannot read, and
    /// on no disk.
    fn settings(&self, reach: Reach) -> Vec<(String, String)> {
        let mut settings = Vec::new();
        if matches!(reach, Reach::Address) {
            settings.push(("remote.origin.url".into(), self.address.remote.clone()));
        }
        if self.access.site.reach.is_bounded() {
            settings.push(("http.followRedirects".into(), "false".into()));
        }
        if let Some(pinned) = &self.pinned {
            settings.push(("http.curloptResolve".into(), pinned.clone()));
        }
        if let (Some(site), Some(header)) = (self.address.site(), self.authorization()) {
            settings.push((
                format!("http.{site}.extraHeader"),
                format!("Authorization: {header}"),
            ));
        }
        settings
    }

    /// The header that a secret asks for: `GIT_AUTH_HEADER` as it is, `GIT_AUTH_TOKEN` as GitHub takes it; those
    /// for this host first.
    fn authorization(&self) -> Option<String> {
        let secret = |name: &str| {
            let host = self.address.host();
            let secrets = self.access.secrets;
            let found = secrets
                .get(&format!("{name}.{host}"))
                .or_else(|| secrets.get(name))?;
            let text = std::str::from_utf8(found).ok()?.trim();
            (!text.is_empty() && !text.contains(['\n', '\r'])).then(|| text.to_string())
        };
        secret("GIT_AUTH_HEADER").or_else(|| {
            let token = secret("GIT_AUTH_TOKEN")?;
            Some(format!(
                "basic {}",
                base64(format!("x-access-token:{token}").as_bytes())
            ))
        })
    }
}

/// `text` as one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let mut group = [0; 3];
        group[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= chunk.len() {
                char::from(letter)
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_pads() {
        assert_eq!(base64(b""), "");
        assert_eq!(base64(b"f"), "Zg==");
        assert_eq!(base64(b"fo"), "Zm8=");
        assert_eq!(base64(b"foobar"), "Zm9vYmFy");
    }

    #[test]
    fn words_of_a_shell() {
        assert_eq!(quoted("a b'c"), r"'a b'\''c'");
    }
}
