//! An ordinary user of the machine.

/// A user that is not root and has subordinate ids, so that RUN steps can have many users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrdinaryUser {
    /// Its name.
    pub name: String,
    /// Its user id.
    pub uid: u32,
    /// Its group id.
    pub gid: u32,
}

impl OrdinaryUser {
    /// The first one in /etc/passwd with a line in /etc/subuid.
    pub fn find() -> Option<OrdinaryUser> {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        OrdinaryUser::among(&read("/etc/passwd"), &read("/etc/subuid"))
    }

    fn among(users: &str, ranges: &str) -> Option<OrdinaryUser> {
        users.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let owned = ranges
                .lines()
                .any(|range| range.split(':').next() == Some(fields[0]));
            let (uid, gid) = (fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?);
            (owned && uid != 0).then(|| OrdinaryUser {
                name: fields[0].to_owned(),
                uid,
                gid,
            })
        })
    }
}

/// Whether this process is root.
pub fn is_root() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|text| text.contains("\nUid:\t0\t0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_and_users_without_a_range_are_passed_over() {
        let users = "root:x:0:0::/root:/bin/sh\na:x:1:1::/:/bin/sh\nb:x:2:3::/:/bin/sh\n";
        let found = OrdinaryUser::among(users, "root:1:2\nb:100000:65536\n");
        assert_eq!(
            found,
            Some(OrdinaryUser {
                name: "b".into(),
                uid: 2,
                gid: 3
            })
        );
        assert_eq!(OrdinaryUser::among(users, ""), None);
    }
}
