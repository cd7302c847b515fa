//! `EXPOSE`.

/// The ports of one word, ranges written out: `8000-8001/tcp` is `8000/tcp` and `8001/tcp`. Addresses and host
/// ports before the last colon are dropped.
pub(crate) fn ports(word: &str) -> Result<Vec<String>, String> {
    let (address, protocol) = match word.split_once('/') {
        Some((address, protocol)) => (address, protocol.to_lowercase()),
        None => (word, "tcp".to_string()),
    };
    if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp" | "") {
        return Err(format!("invalid proto: {protocol}: it is tcp, udp or sctp"));
    }
    let protocol = if protocol.is_empty() { "tcp" } else { &protocol };
    let container = address.rsplit(':').next().unwrap_or(address);
    if container.is_empty() {
        return Err(format!("no port specified: {word}"));
    }
    let invalid = || format!("invalid containerPort: {container}");
    let (first, last) = container.split_once('-').unwrap_or((container, container));
    let number = |text: &str| match text.bytes().all(|b| b.is_ascii_digit()) {
        true => text.parse::<u16>().map_err(|_| invalid()),
        false => Err(invalid()),
    };
    let (first, last) = (number(first)?, number(last)?);
    if first > last {
        return Err(format!("invalid range specified for port: {container}"));
    }
    Ok((first..=last).map(|port| format!("{port}/{protocol}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ports_and_ranges() {
        assert_eq!(ports("80").unwrap(), ["80/tcp"]);
        assert_eq!(ports("53/UDP").unwrap(), ["53/udp"]);
        assert_eq!(ports("9000-9001/sctp").unwrap(), ["9000/sctp", "9001/sctp"]);
        assert_eq!(ports("127.0.0.1:8080:80").unwrap(), ["80/tcp"]);
    }

    #[test]
    fn refuses() {
        assert_eq!(ports("eighty").unwrap_err(), "invalid containerPort: eighty");
        for word in ["", "70000", "80/icmp", "9-8", "-", "+1", "80:"] {
            assert!(ports(word).is_err(), "{word}");
        }
    }
}
