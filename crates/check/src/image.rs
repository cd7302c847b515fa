//! Rules over an image, built here or elsewhere: the same rules as over its Dockerfile, held against what came out.
//!
//! No I/O: the image comes as an [`ImageView`].

use std::collections::BTreeMap;

use crate::evidence::RULES_OF_EVIDENCE;
use crate::rule::Rule;
use crate::rules::{RULES, credential_in, is_toolchain, opens_or_tells};
use crate::{Finding, ImageEvidence, Policy, preset};

/// Files named in one finding at most.
const NAMED: usize = 5;
/// Less waste is not worth a finding.
const WASTE: u64 = 1 << 20;
/// Where everybody may write, or nobody's files are.
const SHARED: [&str; 8] = [
    "/tmp",
    "/var/tmp",
    "/run",
    "/var/run",
    "/var/lock",
    "/dev",
    "/proc",
    "/sys",
];
/// Where package managers keep what they fetched.
const CACHES: [&str; 9] = [
    "/var/cache/apt/archives/",
    "/var/lib/apt/lists/",
    "/var/cache/apk/",
    "/var/cache/dnf/",
    "/var/cache/yum/",
    "/root/.cache/pip/",
    "/root/.npm/_cacache/",
    "/root/.cargo/registry/cache/",
    "/usr/local/share/.cache/yarn/",
];

/// What rules see of an image.
#[derive(Clone, Debug, Default)]
pub struct ImageView {
    /// What it is called in findings.
    pub name: String,
    /// `USER` as it stands in the configuration.
    pub user: String,
    /// Variables, as `NAME=value`.
    pub environment: Vec<String>,
    /// Entry point.
    pub entrypoint: Vec<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// The instructions of its history, with the number of the layer each made, from 1.
    pub history: Vec<(String, Option<usize>)>,
    /// The files that a container sees.
    pub files: Vec<ImageFile>,
    /// Text of `/etc/passwd`, if there is one.
    pub passwd: Option<String>,
    /// Text of `/etc/shadow`, if there is one.
    pub shadow: Option<String>,
    /// Names of packages that the system's package manager installed.
    pub packages: Vec<String>,
    /// What looks like a credential in the content of a file, seen or not.
    pub credentials: Vec<FoundCredential>,
    /// Bytes in lower layers that no container sees.
    pub wasted: u64,
    /// Paths of which most of them are.
    pub wasted_paths: Vec<String>,
    /// What was seen besides its files.
    pub evidence: ImageEvidence,
}

/// A file or directory of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageFile {
    /// Absolute path.
    pub path: String,
    /// Number of its layer, from 1.
    pub layer: usize,
    /// Whether it is a directory.
    pub directory: bool,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Whether it has capabilities of its own.
    pub capabilities: bool,
}

/// Something that looks like a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundCredential {
    /// Absolute path.
    pub path: String,
    /// Number of the layer, from 1.
    pub layer: usize,
    /// What it looks like; never the thing itself.
    pub what: String,
    /// Whether a higher layer hides it: it can be taken from the image all the same.
    pub hidden: bool,
}

/// Every finding of the rules that look at an image, under the levels of `policy`.
pub fn check_image(policy: &Policy, image: &ImageView) -> Vec<Finding> {
    let mut found = Vec::new();
    for (id, rule) in IMAGE_RULES.iter().chain(RULES_OF_EVIDENCE) {
        let mut messages = Vec::new();
        rule(policy, image, &mut messages);
        let Some(known) = RULES.iter().find(|rule| rule.id == *id) else {
            continue;
        };
        let Some(severity) = preset::severity(policy, known) else {
            continue;
        };
        let finding = |message: String| finding(image, known, severity, message);
        found.extend(messages.into_iter().map(finding));
    }
    found
}

fn finding(image: &ImageView, rule: &Rule, severity: praxis_source::Severity, message: String) -> Finding {
    let page = rule.page();
    Finding {
        rule: rule.id.into(),
        severity,
        confidence: rule.confidence,
        path: image.name.clone(),
        span: None,
        message,
        why: page.why,
        help: page.fix,
        page: format!("docs/rules/{}.md", rule.id),
        fix: None,
    }
}

pub(crate) type ImageRule = fn(&Policy, &ImageView, &mut Vec<String>);

/// Rules by the ids of those that say the same of a Dockerfile.
const IMAGE_RULES: &[(&str, ImageRule)] = &[
    ("PX202", toolchain),
    ("PX301", user),
    ("PX302", account),
    ("PX303", locked),
    ("PX304", privileged_files),
    ("PX305", writable),
    ("PX401", labels),
    ("PX701", shell_form),
    ("PX702", environment),
    ("PX903", credentials),
    ("PX905", weight),
];

fn toolchain(_: &Policy, image: &ImageView, found: &mut Vec<String>) {
    let tools = image.packages.iter().filter(|name| is_toolchain(name));
    found.extend(tools.map(|name| format!("the package {name} is installed in the image that runs")));
}

/// User and group by number, if they are written so.
fn ids(image: &ImageView) -> Option<(u32, Option<u32>)> {
    let (user, group) = match image.user.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (image.user.as_str(), None),
    };
    Some((user.parse().ok()?, group.map(str::parse).transpose().ok()?))
}

fn user(policy: &Policy, image: &ImageView, found: &mut Vec<String>) {
    let said = &image.user;
    match (ids(image), &policy.image.user) {
        (None, _) if said.is_empty() => found.push("the image says no USER: it runs as root".into()),
        (None, _) => found.push(format!(
            "USER {said} is a name: what it means is decided by a file in the image"
        )),
        (Some((0, _)), _) => found.push("the image runs as root".into()),
        (Some((uid, gid)), Some(declared)) => {
            let fits = match declared.split_once(':') {
                Some((user, group)) => {
                    user == uid.to_string() && gid.is_none_or(|gid| group == gid.to_string())
                }
                None => *declared == uid.to_string(),
            };
            if !fits {
                found.push(format!("USER {said} is not {declared}, which is declared"));
            }
        }
        _ => {}
    }
}

fn account(_: &Policy, image: &ImageView, found: &mut Vec<String>) {
    let (Some(passwd), Some((uid, _))) = (&image.passwd, ids(image)) else {
        return;
    };
    let entries: Vec<Vec<&str>> = passwd
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .filter(|fields| fields.len() >= 7 && fields[2] == uid.to_string())
        .collect();
    match entries.as_slice() {
        [] => found.push(format!("/etc/passwd has no entry for uid {uid}")),
        [only] if uid != 0 => {
            let shell = only[6];
            if !(shell.ends_with("/nologin") || shell.ends_with("/false")) {
                let shell = if shell.is_empty() { "/bin/sh" } else { shell };
                found.push(format!("{} (uid {uid}) can log in with {shell}", only[0]));
            }
        }
        [_] => {}
        several => found.push(format!("/etc/passwd has {} entries for uid {uid}", several.len())),
    }
}

fn locked(_: &Policy, image: &ImageView, found: &mut Vec<String>) {
    for line in image.shadow.iter().flat_map(|text| text.lines()) {
        let mut fields = line.split(':');
        let (Some(name), Some(password)) = (fields.next(), fields.next()) else {
            continue;
        };
        match password {
            "" => found.push(format!("{name} has an empty password in /etc/shadow")),
            locked if locked.starts_with(['!', '*']) => {}
            _ => found.push(format!("{name} has a password in /etc/shadow")),
        }
    }
}

fn privileged_files(_: &Policy, image: &ImageView, found: &mut Vec<String>) {
    for file in image.files.iter().filter(|file| !file.directory) {
        let what = match (file.mode & 0o6000, file.capabilities) {
            (0, false) => continue,
            (0, true) => "has capabilities of its own",
            (0o2000, _) => "is set-gid",
            _ => "is set-uid",
        };
        found.push(format!("{} {what} (layer {})", file.path, file.layer));
    }
}

fn writable(_: &Policy, image: &ImageView, found: &mut Vec<String>) {
    let Some((uid, gid)) = ids(image).filter(|(uid, _)| *uid != 0) else {
        return;
    };
    let below = |path: &str, top: &str| {
        path == top || path.strip_prefix(top).is_some_and(|rest| rest.starts_with('/'))
    };
    let may_write = |file: &&ImageFile| {
        let by_owner = file.uid == uid && file.mode & 0o200 != 0;
        let by_group = Some(file.gid) == gid && file.mode & 0o020 != 0;
        (by_owner || by_group || file.mode & 0o002 != 0) && !SHARED.iter().any(|top| below(&file.path, top))
    };
    let paths: Vec<&str> = image
        .files
        .iter()
        .filter(may_write)
        .map(|file| file.path.as_str())
        .collect();
    if !paths.is_empty() {
        found.push(format!("uid {uid} may write {}", listed(&paths)));
    }
}

fn listed(paths: &[&str]) -> String {
    let shown = paths[..paths.len().min(NAMED)].join(", ");
    match paths.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn labels(policy: &Policy, image: &ImageView, found: &mut Vec<String>) {
    let missing = policy
        .required_labels()
        .into_iter()
        .filter(|name| !image.labels.contains_key(*name));
    found.extend(missing.map(|name| format!("the label {name} is missing")));
}

fn shell_form(_: &Policy, image: &ImageView, found: &mut Vec<String>) {
    if let [shell, flag, ..] = image.entrypoint.as_slice()
        && flag == "-c"
        && ["sh", "bash", "ash", "dash"].contains(&shell.rsplit('/').next().unwrap_or_default())
    {
        found.push("the entry point starts a shell: signals do not reach the service".into());
    }
}

fn environment(policy: &Policy, image: &ImageView, found: &mut Vec<String>) {
    let serves = policy.image.transport == crate::policy::Transport::Http;
    let pairs = image.environment.iter().filter_map(|line| line.split_once('='));
    found.extend(pairs.filter_map(|(name, value)| opens_or_tells(name, value, serves)));
}

fn credentials(_: &Policy, image: &ImageView, found: &mut Vec<String>) {
    for one in &image.credentials {
        let hidden = if one.hidden {
            ", which a higher layer hides and everybody can read"
        } else {
            ""
        };
        found.push(format!(
            "{} holds {} (layer {}{hidden})",
            one.path, one.what, one.layer
        ));
    }
    for (instruction, layer) in &image.history {
        if let Some(what) = credential_in(instruction) {
            let place = layer.map_or_else(String::new, |layer| format!(" of layer {layer}"));
            found.push(format!("the history{place} holds {what}"));
        }
    }
}

fn weight(_: &Policy, image: &ImageView, found: &mut Vec<String>) {
    for cache in CACHES {
        let held = image
            .files
            .iter()
            .filter(|file| !file.directory && file.path.starts_with(cache));
        let held = held.filter(|file| !file.path.ends_with("/lock")).count();
        if held > 0 {
            found.push(format!("{cache} holds {held} files of the package manager"));
        }
    }
    if image.wasted >= WASTE {
        let paths: Vec<&str> = image.wasted_paths.iter().map(String::as_str).collect();
        found.push(format!(
            "{:.1} MB in lower layers are replaced or removed by higher ones and no container sees them: {}",
            image.wasted as f64 / 1e6,
            listed(&paths)
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound() -> ImageView {
        ImageView {
            name: "app:1".into(),
            user: "10001:10001".into(),
            environment: vec!["PATH=/bin".into()],
            entrypoint: vec!["/app".into()],
            passwd: Some("root:x:0:0::/root:/bin/bash\napp:x:10001:10001::/:/usr/sbin/nologin\n".into()),
            shadow: Some("root:*:1::::::\napp:!:1::::::\n".into()),
            packages: vec!["libc6".into()],
            files: vec![file("/app", 0o755, 0), file("/tmp", 0o1777, 0)],
            history: vec![("COPY app /app".into(), Some(1))],
            ..ImageView::default()
        }
    }

    fn file(path: &str, mode: u32, uid: u32) -> ImageFile {
        let (path, layer) = (path.to_string(), 1);
        ImageFile {
            path,
            layer,
            mode,
            uid,
            gid: uid,
            ..ImageFile::default()
        }
    }

    fn found(image: &ImageView) -> Vec<(String, String)> {
        let policy = Policy::parse("[image]\nuser = \"10001:10001\"\n").unwrap();
        let findings = check_image(&policy, image);
        findings
            .into_iter()
            .map(|finding| (finding.rule, finding.message))
            .collect()
    }

    #[test]
    fn a_sound_image_has_no_findings() {
        assert_eq!(found(&sound()), []);
    }

    #[test]
    fn each_fault_is_found_by_its_rule_alone() {
        type Plant = fn(&mut ImageView);
        let plants: [(&str, &str, Plant); 22] = [
            ("PX301", "runs as root", |it| it.user = "0".into()),
            ("PX301", "no USER", |it| it.user = String::new()),
            ("PX301", "is a name", |it| it.user = "app".into()),
            ("PX301", "is not 10001:10001", |it| {
                it.user = "10002".into();
                it.passwd = None;
            }),
            ("PX302", "no entry for uid 10001", |it| {
                it.passwd = Some("root:x:0:0::/:/bin/sh\n".into())
            }),
            ("PX302", "can log in with /bin/bash", |it| {
                it.passwd = Some("app:x:10001:1::/:/bin/bash\n".into())
            }),
            ("PX302", "can log in with /bin/sh", |it| {
                it.passwd = Some("app:x:10001:1::/:\n".into())
            }),
            ("PX302", "2 entries", |it| {
                it.passwd = Some("a:x:10001:1::/:/bin/false\nb:x:10001:1::/:/bin/false\n".into());
            }),
            ("PX303", "empty password", |it| {
                it.shadow = Some("app::1::::::\n".into())
            }),
            ("PX303", "has a password", |it| {
                it.shadow = Some("app:$6$x:1::::::\n".into())
            }),
            ("PX304", "/bin/su is set-uid", |it| {
                it.files.push(file("/bin/su", 0o4755, 0))
            }),
            ("PX304", "/bin/wall is set-gid", |it| {
                it.files.push(file("/bin/wall", 0o2755, 0))
            }),
            ("PX304", "capabilities", |it| {
                it.files.push(ImageFile {
                    capabilities: true,
                    ..file("/bin/ping", 0o755, 0)
                });
            }),
            ("PX305", "may write /app/main.py", |it| {
                it.files.push(file("/app/main.py", 0o644, 10001))
            }),
            ("PX305", "may write /srv", |it| {
                it.files.push(file("/srv", 0o777, 0))
            }),
            ("PX202", "package gcc", |it| it.packages.push("gcc".into())),
            ("PX202", "package libpq-dev", |it| {
                it.packages.push("libpq-dev".into())
            }),
            ("PX701", "starts a shell", |it| {
                it.entrypoint = ["/bin/sh", "-c", "app"].map(String::from).to_vec()
            }),
            ("PX702", "API_TOKEN holds a credential", |it| {
                it.environment.push("API_TOKEN=x".into())
            }),
            (
                "PX903",
                "a private key (layer 1, which a higher layer hides",
                |it| {
                    let what = "a private key".into();
                    it.credentials.push(FoundCredential {
                        path: "/key".into(),
                        layer: 1,
                        what,
                        hidden: true,
                    });
                },
            ),
            ("PX903", "the history of layer 2 holds", |it| {
                it.history
                    .push((format!("RUN curl -H ghp_{}", "a".repeat(36)), Some(2)));
            }),
            ("PX905", "/var/lib/apt/lists/ holds 1 files", |it| {
                it.files.push(file("/var/lib/apt/lists/x", 0o644, 0));
            }),
        ];
        for (rule, message, plant) in plants {
            let mut image = sound();
            plant(&mut image);
            let found = found(&image);
            assert!(found.iter().all(|(id, _)| id == rule), "{rule}: {found:?}");
            assert!(
                found.iter().any(|(_, said)| said.contains(message)),
                "{rule} {message}: {found:?}"
            );
        }
        let mut image = sound();
        image.wasted = 3_000_000;
        image.wasted_paths = vec!["/big".into()];
        assert!(found(&image)[0].1.contains("3.0 MB in lower layers"));
    }

    #[test]
    fn levels_and_labels_are_the_policys() {
        let policy = Policy::parse("preset = \"adr-0032\"\n[rules]\nPX304 = \"off\"\n").unwrap();
        let mut image = sound();
        image.files.push(file("/bin/su", 0o4755, 0));
        let findings = check_image(&policy, &image);
        assert!(
            findings.iter().all(|finding| finding.rule == "PX401"),
            "{findings:?}"
        );
        assert_eq!(findings.len(), policy.required_labels().len());
    }
}
