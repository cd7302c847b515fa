//! Bodies of requests, within bounds.

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::response::Response;
use http_body_util::{BodyExt, Limited};

use super::gate::refusal;
use super::settings::Limits;

/// The body of a request that has to be JSON: not parsed, but within the limits for size, depth and time.
///
/// # Errors
/// The answer: 415, 413, 408 or 400.
pub(crate) async fn json(
    limits: &Limits,
    request: Request,
) -> Result<(axum::http::request::Parts, Bytes), Response> {
    let (parts, bytes) = of_kind("application/json", limits, request).await?;
    if depth(&bytes) > limits.depth {
        let why = format!("objects and arrays are more than {} deep", limits.depth);
        return Err(refusal(StatusCode::BAD_REQUEST, &why));
    }
    Ok((parts, bytes))
}

/// The body of a request that has to be of this kind, within the limits for size and time.
///
/// # Errors
/// The answer: 415, 413 or 408.
pub(crate) async fn of_kind(
    wanted: &str,
    limits: &Limits,
    request: Request,
) -> Result<(axum::http::request::Parts, Bytes), Response> {
    let (parts, body) = request.into_parts();
    let mut kinds = parts.headers.get_all(CONTENT_TYPE).iter();
    let kind = kinds
        .next()
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case(wanted) || kinds.next().is_some() {
        let why = format!("the Content-Type has to be {wanted}");
        return Err(refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, &why));
    }
    let too_large = || {
        let why = format!("the body is larger than {} bytes", limits.message);
        refusal(StatusCode::PAYLOAD_TOO_LARGE, &why)
    };
    let length = parts
        .headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok());
    if length
        .and_then(|length| length.parse::<usize>().ok())
        .is_some_and(|length| length > limits.message)
    {
        return Err(too_large());
    }
    let read = tokio::time::timeout(limits.body, collect(body, limits.message)).await;
    let bytes = match read {
        Err(_) => {
            return Err(refusal(
                StatusCode::REQUEST_TIMEOUT,
                "the body did not come in time",
            ));
        }
        Ok(Err(TooLarge)) => return Err(too_large()),
        Ok(Ok(bytes)) => bytes,
    };
    Ok((parts, bytes))
}

struct TooLarge;

async fn collect(body: Body, most: usize) -> Result<Bytes, TooLarge> {
    let collected = Limited::new(body, most).collect().await;
    collected
        .map(|collected| collected.to_bytes())
        .map_err(|_| TooLarge)
}

/// How deep objects and arrays are in each other, told without parsing what is not yet known to be small.
pub(crate) fn depth(text: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    let (mut quoted, mut escaped) = (false, false);
    for byte in text {
        match (quoted, byte) {
            _ if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => quoted = !quoted,
            (false, b'{' | b'[') => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_row_07_a_slow_body_gives_408() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        assert_eq!(Limits::default().body.as_secs(), 30);
        let limits = Limits {
            body: std::time::Duration::from_millis(60),
            ..Limits::default()
        };
        // Some bytes come, and then nothing, though the connection stays.
        let (refused, _open) = runtime.block_on(async {
            let (mut sender, body) = http_body_util::channel::Channel::<Bytes, crate::ToolError>::new(1);
            sender.send_data("{\"a\":".into()).await.unwrap();
            let request = Request::post("/v1/builds")
                .header(CONTENT_TYPE, "application/json")
                .body(Body::new(body))
                .unwrap();
            (json(&limits, request).await.unwrap_err(), sender)
        });
        assert_eq!(refused.status(), StatusCode::REQUEST_TIMEOUT);
        assert_eq!(refused.headers()["connection"], "close");
    }

    #[test]
    fn depth_counts_what_is_open_and_no_text() {
        for (text, expected) in [
            ("", 0),
            ("1", 0),
            ("{}", 1),
            (r#"{"a":[{"b":1}],"c":[]}"#, 3),
            (r#"["[[[[\"[[["]"#, 1),
            (r#""\\"[[]]"#, 2),
            ("]]][", 1),
        ] {
            assert_eq!(depth(text.as_bytes()), expected, "{text}");
        }
        assert_eq!(depth(&[b'['; 100_000]), 100_000);
    }
}
