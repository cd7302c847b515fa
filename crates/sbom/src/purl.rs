//! Package addresses.

use packageurl::PackageUrl;

use crate::{ComponentKind, System};

/// The address of a package; what cannot stand in one gives none.
pub(crate) fn purl(
    kind: ComponentKind,
    namespace: Option<&str>,
    name: &str,
    version: &str,
    qualifiers: &[(&'static str, String)],
) -> Option<String> {
    let mut address = PackageUrl::new(kind.purl_type(), name).ok()?;
    if let Some(namespace) = namespace.filter(|text| !text.is_empty()) {
        address.with_namespace(namespace).ok()?;
    }
    if !version.is_empty() {
        address.with_version(version).ok()?;
    }
    for (key, value) in qualifiers.iter().filter(|(_, value)| !value.is_empty()) {
        address.add_qualifier(*key, value.clone()).ok()?;
    }
    Some(address.to_string())
}

/// The address of a package of the operating system.
pub(crate) fn system_purl(
    kind: ComponentKind,
    system: &System,
    (name, version): (&str, &str),
    qualifiers: &[(&'static str, String)],
) -> Option<String> {
    let namespace = match (kind, system.id.as_str()) {
        (ComponentKind::Deb, "") => "debian",
        (ComponentKind::Apk, "") => "alpine",
        (ComponentKind::Rpm, "" | "rhel") => "redhat",
        (_, id) => id,
    };
    let mut all = vec![("distro", system.distro())];
    all.extend(qualifiers.iter().cloned());
    purl(kind, Some(namespace), name, version, &all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_what_scanners_expect() {
        let debian = System {
            id: "debian".into(),
            version: "13".into(),
            ..System::default()
        };
        let deb = system_purl(
            ComponentKind::Deb,
            &debian,
            ("bsdutils", "1:2.41.5-0+deb13u1"),
            &[
                ("arch", "amd64".into()),
                ("upstream", "util-linux@2.41.5-0+deb13u1".into()),
            ],
        );
        assert_eq!(
            deb.unwrap(),
            "pkg:deb/debian/bsdutils@1:2.41.5-0%2Bdeb13u1?arch=amd64&distro=debian-13&upstream=util-linux%402.41.5-0%2Bdeb13u1"
        );
        let npm = purl(ComponentKind::Npm, Some("@scope"), "n", "1.0.0", &[]);
        assert_eq!(npm.unwrap(), "pkg:npm/%40scope/n@1.0.0");
        let go = purl(
            ComponentKind::Go,
            Some("github.com/Azure"),
            "go-autorest",
            "v1.2.3+incompatible",
            &[],
        );
        assert_eq!(
            go.unwrap(),
            "pkg:golang/github.com/azure/go-autorest@v1.2.3%2Bincompatible"
        );
        assert_eq!(
            purl(ComponentKind::Python, None, "typing_extensions", "4", &[]).unwrap(),
            "pkg:pypi/typing-extensions@4"
        );
        assert_eq!(purl(ComponentKind::Python, None, "", "4", &[]), None);
    }
}
