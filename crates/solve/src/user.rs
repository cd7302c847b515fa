//! Users and groups of an image, read from its own files, never through the host's libraries.

use crate::SolveError;

/// No image needs more than this in `/etc/passwd` or `/etc/group`.
pub(crate) const LIMIT: u64 = 8 << 20;

/// The two files as they are in the image.
#[derive(Clone, Debug, Default)]
pub(crate) struct Accounts {
    pub passwd: Vec<u8>,
    pub group: Vec<u8>,
}

/// Whom a RUN step runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub uid: u32,
    pub gid: u32,
    pub groups: Vec<u32>,
    pub home: String,
}

struct Account<'a> {
    name: &'a [u8],
    uid: u32,
    gid: u32,
    home: &'a [u8],
}

impl Accounts {
    fn users(&self) -> impl Iterator<Item = Account<'_>> {
        self.passwd.split(|&b| b == b'\n').filter_map(|line| {
            let fields: Vec<&[u8]> = line.split(|&b| b == b':').collect();
            Some(Account {
                name: fields.first()?,
                uid: number(fields.get(2)?)?,
                gid: number(fields.get(3)?)?,
                home: fields.get(5).copied().unwrap_or_default(),
            })
        })
    }

    fn groups(&self) -> impl Iterator<Item = (&[u8], u32, &[u8])> {
        self.group.split(|&b| b == b'\n').filter_map(|line| {
            let fields: Vec<&[u8]> = line.split(|&b| b == b':').collect();
            Some((
                *fields.first()?,
                number(fields.get(2)?)?,
                fields.get(3).copied().unwrap_or_default(),
            ))
        })
    }

    fn group_id(&self, name: &str) -> Option<u32> {
        self.groups()
            .find(|group| group.0 == name.as_bytes())
            .map(|group| group.1)
    }

    /// Whom `USER text` means for RUN, with the supplementary groups of a named user. A number is a number even if
    /// a user has it as a name.
    pub fn identity(&self, text: &str) -> Result<Identity, SolveError> {
        let (user, group) = split(text);
        let user = if user.is_empty() { "0" } else { user };
        let numeric = number(user.as_bytes());
        let account = match numeric {
            Some(uid) => self.users().find(|account| account.uid == uid),
            None => self.users().find(|account| account.name == user.as_bytes()),
        };
        let Some(uid) = numeric.or(account.as_ref().map(|account| account.uid)) else {
            return Err(SolveError::user(format!(
                "unable to find user {user}: no matching entries in the image's passwd file"
            )));
        };
        let gid = match group {
            Some(group) => match number(group.as_bytes()).or_else(|| self.group_id(group)) {
                Some(gid) => gid,
                None => {
                    return Err(SolveError::user(format!(
                        "unable to find group {group}: no matching entries in the image's group file"
                    )));
                }
            },
            None => account.as_ref().map_or(0, |account| account.gid),
        };
        let groups = match (&account, group) {
            (Some(account), None) => self.supplementary(account.name, gid),
            _ => vec![gid],
        };
        let home = account.map(|account| String::from_utf8_lossy(account.home).into_owned());
        Ok(Identity {
            uid,
            gid,
            groups,
            home: home.filter(|home| !home.is_empty()).unwrap_or_else(|| "/".into()),
        })
    }

    fn supplementary(&self, name: &[u8], primary: u32) -> Vec<u32> {
        let mut groups: Vec<u32> = self
            .groups()
            .filter(|(_, _, members)| members.split(|&b| b == b',').any(|member| member == name))
            .map(|(_, gid, _)| gid)
            .collect();
        if !groups.contains(&primary) {
            groups.insert(0, primary);
        }
        groups
    }

    /// What `--chown=text` means: uid and gid. An unknown name is 0, as BuildKit has it; the names that were not
    /// found come back for a warning.
    pub fn owner(&self, text: &str) -> (u32, u32, Vec<String>) {
        let (user, group) = split(text);
        let mut unknown = Vec::new();
        let account = self.users().find(|account| account.name == user.as_bytes());
        let uid = match (number(user.as_bytes()), &account) {
            (Some(uid), _) => uid,
            (None, Some(account)) => account.uid,
            (None, None) if user.is_empty() => 0,
            (None, None) => {
                unknown.push(user.to_string());
                0
            }
        };
        let gid = match group {
            Some(group) => number(group.as_bytes())
                .or_else(|| self.group_id(group))
                .unwrap_or_else(|| {
                    unknown.push(group.to_string());
                    0
                }),
            None if number(user.as_bytes()).is_some() => uid,
            None => account.map_or(0, |account| account.gid),
        };
        (uid, gid, unknown)
    }
}

fn split(text: &str) -> (&str, Option<&str>) {
    match text.split_once(':') {
        Some((user, "")) => (user, None),
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    }
}

fn number(text: &[u8]) -> Option<u32> {
    // The largest number is no id: to the kernel it means "leave it as it is".
    std::str::from_utf8(text)
        .ok()?
        .parse()
        .ok()
        .filter(|&id| id != u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts() -> Accounts {
        Accounts {
            passwd: b"root:x:0:0:root:/root:/bin/sh\napp:x:1001:1001:app:/home/app:/bin/sh\n1000:x:0:0::/:/bin/sh\n"
                .to_vec(),
            group: b"root:x:0:\nwheel:x:10:app\naudio:x:29:app,daemon\napp:x:1001:\n".to_vec(),
        }
    }

    #[test]
    fn row_47_a_number_is_a_uid_even_if_a_user_is_called_so() {
        assert_eq!(accounts().identity("1000").unwrap().uid, 1000);
    }

    #[test]
    fn row_48_supplementary_groups_are_the_images() {
        assert_eq!(accounts().identity("app").unwrap().groups, [1001, 10, 29]);
        assert_eq!(accounts().identity("app:wheel").unwrap().groups, [10]);
        assert_eq!(accounts().identity("4321").unwrap().groups, [0]);
        assert_eq!(accounts().identity("").unwrap().home, "/root");
        assert!(accounts().identity("nobody").is_err());
    }

    #[test]
    fn owners() {
        assert_eq!(accounts().owner("app"), (1001, 1001, vec![]));
        assert_eq!(accounts().owner("5"), (5, 5, vec![]));
        assert_eq!(accounts().owner(":wheel"), (0, 10, vec![]));
        assert_eq!(
            accounts().owner("who:which"),
            (0, 0, vec!["who".into(), "which".into()])
        );
    }
}
