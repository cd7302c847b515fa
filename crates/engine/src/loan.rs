//! What the machine lends to RUN steps, in the solver's terms.

use std::collections::BTreeMap;

use praxis_solve::SiteLoan;

use crate::Site;

/// What the site lends, in the solver's terms.
pub(crate) fn loan(site: &Site) -> SiteLoan {
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for line in &site.apt_mirrors {
        if let Some((archive, uri)) = line.split_once(' ') {
            let path = format!("/etc/apt/mirrors/{archive}.list");
            files
                .entry(path)
                .or_default()
                .extend(format!("{uri}\n").into_bytes());
        }
    }
    let resolv_conf = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let resolv_conf = if resolv_conf.trim().is_empty() {
        "# no name servers\n".into()
    } else {
        resolv_conf
    };
    SiteLoan {
        ca_bundle: site.ca_bundle.as_ref().and_then(|path| path.canonicalize().ok()),
        known_hosts: site.known_hosts.clone(),
        proxies: site.proxies.clone(),
        reach: site.reach.clone(),
        bounds: site.bounds,
        variables: site.variables.clone(),
        files,
        resolv_conf,
    }
}
