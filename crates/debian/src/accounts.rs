//! The files of users and groups that a minimal recipe declares.

use std::fmt::Write;

use crate::Recipe;

/// Path, mode, group and text of `/etc/passwd`, `/etc/group`, `/etc/shadow` and `/etc/gshadow`. Nobody has a
/// password; `epoch` gives the day it was last changed.
pub(crate) fn account_files(recipe: &Recipe, epoch: i64) -> Vec<(&'static str, u32, String)> {
    let (mut passwd, mut shadow, mut group, mut gshadow) =
        (String::new(), String::new(), String::new(), String::new());
    let day = epoch.div_euclid(86_400);
    for user in &recipe.users {
        let _ = writeln!(
            passwd,
            "{0}:x:{1}:{2}:{0}:{3}:{4}",
            user.name, user.uid, user.gid, user.home, user.shell
        );
        let _ = writeln!(shadow, "{}:*:{day}:0:99999:7:::", user.name);
    }
    for one in &recipe.groups {
        let members = one.members.join(",");
        let _ = writeln!(group, "{}:x:{}:{members}", one.name, one.gid);
        let _ = writeln!(gshadow, "{}:*::{members}", one.name);
    }
    vec![
        ("etc/passwd", 0o644, passwd),
        ("etc/group", 0o644, group),
        ("etc/shadow", 0o600, shadow),
        ("etc/gshadow", 0o600, gshadow),
    ]
}
