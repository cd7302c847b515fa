//! Where the store lies when nobody says.

use std::path::PathBuf;

use crate::environment::Environment;
use crate::failure::Failure;

/// The store's directory: what was given, else the user's data directory, for root /var/lib/praxis.
pub fn store_root(
    given: Option<PathBuf>,
    environment: &Environment,
    is_root: bool,
) -> Result<PathBuf, Failure> {
    if let Some(root) = given.filter(|root| !root.as_os_str().is_empty()) {
        return std::path::absolute(&root)
            .map_err(|error| Failure::failed(format!("--root {}: {error}", root.display())));
    }
    if is_root {
        return Ok("/var/lib/praxis".into());
    }
    let data = environment
        .path("XDG_DATA_HOME")
        .filter(|path| path.is_absolute());
    let home = || {
        Some(
            environment
                .path("HOME")
                .filter(|path| path.is_absolute())?
                .join(".local/share"),
        )
    };
    data.or_else(home).map(|data| data.join("praxis")).ok_or_else(|| {
        Failure::usage(
            "no place for the store: HOME and XDG_DATA_HOME are not set; give --root DIR or PRAXIS_ROOT",
        )
    })
}

/// Whether this process is root of the machine, not only of a user namespace.
pub fn is_root() -> bool {
    let mapped = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    rustix::process::geteuid().is_root() && maps_root(&mapped)
}

/// Whether a uid_map maps uid 0 to uid 0.
fn maps_root(uid_map: &str) -> bool {
    let first: Vec<&str> = uid_map.split_whitespace().take(2).collect();
    matches!(first[..], ["0", "0"] | [])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let environment = Environment::of(&[("HOME", "/home/a"), ("XDG_DATA_HOME", "relative")]);
        let place =
            |given: Option<&str>, root| store_root(given.map(PathBuf::from), &environment, root).unwrap();
        assert_eq!(place(Some("/x"), false), PathBuf::from("/x"));
        assert_eq!(place(Some(""), true), PathBuf::from("/var/lib/praxis"));
        assert_eq!(place(None, false), PathBuf::from("/home/a/.local/share/praxis"));
        let data = Environment::of(&[("XDG_DATA_HOME", "/data")]);
        assert_eq!(
            store_root(None, &data, false).unwrap(),
            PathBuf::from("/data/praxis")
        );
        assert!(
            store_root(None, &Environment::default(), false)
                .unwrap_err()
                .message
                .contains("--root")
        );
        assert!(place(Some("relative"), false).is_absolute());
    }

    #[test]
    fn root_of_a_user_namespace_is_an_ordinary_user() {
        assert!(maps_root("         0          0 4294967295\n"));
        assert!(!maps_root(
            "         0       1000          1\n         1     100000      65536\n"
        ));
    }
}
