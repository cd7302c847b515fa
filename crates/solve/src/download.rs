//! ADD of an http or https address.

use std::fs::File;
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use praxis_layer::Timestamp;
use praxis_oci::Hasher;
use praxis_source::masked;

use crate::SolveError;
use crate::layers::Workshop;
use crate::single::SingleFile;
use crate::site::SiteLoan;
use crate::source::{Content, KeptFile};

/// No file that ADD fetches may be larger.
const LIMIT: u64 = 16 << 30;

/// Fetches `url`. The file is called as the last part of its path, has mode 0600 and the time of Last-Modified.
pub(crate) fn download(
    workshop: &Arc<Workshop>,
    site: &SiteLoan,
    url: &str,
    epoch: Timestamp,
) -> Result<SingleFile, SolveError> {
    let wrong = |why: String| {
        let (shown, why) = (masked(url), masked(&why));
        SolveError::user(format!("failed to load {shown}: {why}"))
    };
    written(site, url).map_err(wrong)?;
    let agent = agent(site, url).map_err(wrong)?;
    let mut response = agent.get(url).call().map_err(|error| wrong(error.to_string()))?;
    let modified = response
        .headers()
        .get("last-modified")
        .and_then(|value| value.to_str().ok())
        .and_then(http_date);
    let scratch = Arc::new(workshop.store.scratch()?);
    let path = scratch.path().join("content");
    let mut out = File::create(&path).map_err(SolveError::io("create", &path))?;
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 128 << 10];
    let mut reader = response.body_mut().with_config().limit(LIMIT).reader();
    loop {
        let count = reader
            .read(&mut buffer)
            .map_err(|error| wrong(error.to_string()))?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
        out.write_all(&buffer[..count])
            .map_err(SolveError::io("write", &path))?;
    }
    let size = hasher.length();
    let file = Arc::new(KeptFile {
        path,
        _keeper: scratch,
    });
    let content = Content::Range {
        file,
        offset: 0,
        length: size,
    };
    let mtime = modified.map_or(epoch, Timestamp::seconds);
    Ok(SingleFile::new(
        &name_of(url),
        size,
        0o600,
        mtime,
        hasher.finish(),
        content,
    ))
}

fn agent(site: &SiteLoan, url: &str) -> Result<ureq::Agent, String> {
    let mut config = ureq::Agent::config_builder()
        .timeout_connect(Some(Duration::from_secs(30)))
        .timeout_recv_response(Some(Duration::from_secs(120)))
        // What was asked for over TLS is not taken from where a redirect leaves it.
        .https_only(url.starts_with("https:"))
        .user_agent("praxis");
    if let Some(bundle) = &site.ca_bundle
        && url.starts_with("https:")
    {
        let pem = std::fs::read(bundle).map_err(|error| format!("{}: {error}", bundle.display()))?;
        let certificates: Vec<_> = ureq::tls::parse_pem(&pem)
            .filter_map(|item| match item {
                Ok(ureq::tls::PemItem::Certificate(certificate)) => Some(certificate),
                _ => None,
            })
            .collect();
        let tls = ureq::tls::TlsConfig::builder()
            .root_certs(certificates.into())
            .build();
        config = config.tls_config(tls);
    }
    let variable = if url.starts_with("https:") {
        "https_proxy"
    } else {
        "http_proxy"
    };
    let proxy = site
        .proxies
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(variable))
        .map(|(_, value)| value);
    let proxy = proxy
        .filter(|_| !bypasses(site, url))
        .map(|proxy| ureq::Proxy::new(proxy))
        .transpose();
    config = config.proxy(proxy.map_err(|error| format!("proxy: {error}"))?);
    Ok(site.reach.agent(config.build()))
}

/// Looks at an address that a proxy will resolve.
fn written(site: &SiteLoan, url: &str) -> Result<(), String> {
    let uri: ureq::http::Uri = url.parse().map_err(|error| format!("{error}"))?;
    let port = uri
        .port_u16()
        .unwrap_or(if url.starts_with("https:") { 443 } else { 80 });
    let checked = site.reach.check_written(uri.host().unwrap_or_default(), port);
    checked.map_err(|why| why.to_string())
}

/// Whether `no_proxy` names the host of `url`.
fn bypasses(site: &SiteLoan, url: &str) -> bool {
    let authority = url.split("://").nth(1).unwrap_or_default();
    let authority = authority.split('/').next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = host.split(':').next().unwrap_or_default();
    let list = site
        .proxies
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("no_proxy"));
    let in_list = list.is_some_and(|(_, list)| {
        list.split(',')
            .map(|part| part.trim().trim_start_matches('.'))
            .any(|part| {
                part == "*" || (!part.is_empty() && (host == part || host.ends_with(&format!(".{part}"))))
            })
    });
    in_list || host == "localhost" || host == "127.0.0.1"
}

/// The last part of the address's path; never more than one plain component.
fn name_of(url: &str) -> Vec<u8> {
    let path = url.split("://").nth(1).unwrap_or(url);
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let path = path.split_once('/').and_then(|(_, path)| unescaped(path));
    let path = path.unwrap_or_default();
    let name = path
        .split(|byte| *byte == b'/')
        .rfind(|part| !part.is_empty())
        .unwrap_or_default();
    match name {
        b"" | b"." | b".." => b"__unnamed__".to_vec(),
        name if name.contains(&0) => b"__unnamed__".to_vec(),
        name => name.to_vec(),
    }
}

/// `%20` and the like as the bytes they stand for; `None` for what is no escape.
fn unescaped(path: &str) -> Option<Vec<u8>> {
    let mut parts = path.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let digits = part
            .get(..2)
            .filter(|two| two.bytes().all(|b| b.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    Some(bytes)
}

/// Seconds since 1970 of an RFC 9110 date (`Sun, 06 Nov 1994 08:49:37 GMT`).
fn http_date(text: &str) -> Option<i64> {
    let mut parts = text.split_whitespace().skip(1);
    let day: i64 = parts.next()?.parse().ok()?;
    let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let month_name = parts.next()?;
    let month = months.iter().position(|name| *name == month_name)? as i64 + 1;
    let year: i64 = parts.next()?.parse().ok()?;
    let clock: Vec<i64> = parts
        .next()?
        .split(':')
        .map(|part| part.parse().ok())
        .collect::<Option<_>>()?;
    let [hour, minute, second] = clock.as_slice() else {
        return None;
    };
    let sensible = (1970..10_000).contains(&year)
        && (1..=31).contains(&day)
        && clock.iter().all(|part| (0..=60).contains(part));
    if !sensible {
        return None;
    }
    Some(days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

/// Days of the proleptic Gregorian calendar.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(http_date("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(http_date("nonsense"), None);
        assert_eq!(http_date("Thu, 01 Jan 9223372036854775807 00:00:00 GMT"), None);
        assert_eq!(http_date("Thu, 01 Jan 1970 9223372036854775807:00:00 GMT"), None);
    }

    #[test]
    fn row_51_names_are_one_plain_component() {
        assert_eq!(name_of("http://h/a/b.txt?x=1/2"), b"b.txt");
        assert_eq!(name_of("http://h/"), b"__unnamed__");
        assert_eq!(name_of("http://h"), b"__unnamed__");
        assert_eq!(name_of("http://h/a/.."), b"__unnamed__");
        assert_eq!(name_of("http://h/a/b/"), b"b");
        assert_eq!(name_of("http://h/a%20b%2Fc%C3%A9"), "cé".as_bytes());
        assert_eq!(name_of("http://h/a/%2e%2E"), b"__unnamed__");
        assert_eq!(name_of("http://h/a%00b"), b"__unnamed__");
        assert_eq!(name_of("http://h/100%"), b"__unnamed__");
    }
}
