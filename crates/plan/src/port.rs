//! `EXPOSE`.

use std::net::IpAddr;

/// The ports of one word, ranges written out: `8000-8001/tcp` is `8000/tcp` and `8001/tcp`. Addresses and host
/// ports before the last colon are checked and dropped.
pub(crate) fn ports(word: &str) -> Result<Vec<String>, String> {
    let mut parts = word.rsplitn(3, ':');
    let (container, host, address) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    let (container, protocol) = container.split_once('/').unwrap_or((container, ""));
    if container.is_empty() {
        return Err(format!("no port specified: {word}"));
    }
    let protocol = match protocol.to_lowercase() {
        none if none.is_empty() => "tcp".to_string(),
        known if matches!(known.as_str(), "tcp" | "udp" | "sctp") => known,
        other => return Err(format!("invalid proto: {other}: it is tcp, udp or sctp")),
    };
    let plain = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if !address.is_empty() && plain.unwrap_or(address).parse::<IpAddr>().is_err() {
        return Err(format!("invalid IP address: {address}"));
    }
    let (first, last) = range(container, "containerPort")?;
    if !host.is_empty() {
        let (host_first, host_last) = range(host, "hostPort")?;
        if host_last - host_first != last - first && first != last {
            return Err(format!(
                "invalid ranges specified for container and host Ports: {container} and {host}"
            ));
        }
    }
    Ok((first..=last).map(|port| format!("{port}/{protocol}")).collect())
}

fn range(text: &str, what: &str) -> Result<(u16, u16), String> {
    let invalid = || format!("invalid {what}: {text}");
    let number = |text: &str| match text.bytes().all(|b| b.is_ascii_digit()) {
        true => text.parse::<u16>().map_err(|_| invalid()),
        false => Err(invalid()),
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (number(first)?, number(last)?);
    match first > last {
        true => Err(format!("{}: the range ends before it starts", invalid())),
        false => Ok((first, last)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ports_and_ranges() {
        assert_eq!(ports("80").unwrap(), ["80/tcp"]);
        assert_eq!(ports("80/").unwrap(), ["80/tcp"]);
        assert_eq!(ports("53/UDP").unwrap(), ["53/udp"]);
        assert_eq!(ports("9000-9001/sctp").unwrap(), ["9000/sctp", "9001/sctp"]);
        assert_eq!(ports("127.0.0.1:8080:80").unwrap(), ["80/tcp"]);
        assert_eq!(ports("[::1]:8080:80").unwrap(), ["80/tcp"]);
        assert_eq!(ports("::1::80").unwrap(), ["80/tcp"]);
        assert_eq!(ports("8000-8009:80").unwrap(), ["80/tcp"]);
        assert_eq!(ports("8000-8001:80-81").unwrap(), ["80/tcp", "81/tcp"]);
    }

    #[test]
    fn refuses() {
        assert_eq!(ports("eighty").unwrap_err(), "invalid containerPort: eighty");
        assert_eq!(ports("x:80").unwrap_err(), "invalid hostPort: x");
        assert_eq!(ports("host:1:80").unwrap_err(), "invalid IP address: host");
        for word in [
            "", "70000", "80/icmp", "9-8", "-", "+1", "80:", "1-2:1-3", "/tcp", "1-2-3",
        ] {
            assert!(ports(word).is_err(), "{word}");
        }
    }
}
