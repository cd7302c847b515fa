use serde::Deserialize;

use crate::RegistryError;
use crate::client::{Client, Route};
use crate::document::LARGEST;
use crate::error::shown;
use crate::transport::Ask;

/// Pages of tags that are read.
const MOST_PAGES: usize = 10_000;
/// Tags that are listed.
const MOST_TAGS: usize = 1_000_000;

/// A repository of a registry.
pub struct Repository<'c> {
    pub(crate) client: &'c Client,
    pub(crate) name: String,
    /// Where it is.
    pub(crate) origin: Route,
    /// Where to pull from: mirrors, then the origin.
    pub(crate) pull: Vec<Route>,
}

#[derive(Deserialize)]
struct Tags {
    #[serde(default)]
    tags: Option<Vec<String>>,
}

impl Repository<'_> {
    /// Its full name: registry and path.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn pull_scope(&self, route: &Route) -> Vec<String> {
        vec![format!("repository:{}:pull", route.repository)]
    }

    pub(crate) fn push_scope(&self) -> Vec<String> {
        vec![format!("repository:{}:pull,push", self.origin.repository)]
    }

    /// All its tags, in the registry's order.
    pub fn tags(&self) -> Result<Vec<String>, RegistryError> {
        let what = format!("tags of {}", self.name);
        let scopes = self.pull_scope(&self.origin);
        let mut address = self.origin.address("tags/list?n=1000");
        let mut all: Vec<String> = Vec::new();
        for _ in 0..MOST_PAGES {
            let ask = Ask::get(address.clone(), &scopes, what.clone());
            let mut answer = self.client.send(&self.origin, &ask)?.success(self.client)?;
            let bytes = answer.small(LARGEST, &what)?;
            let page: Tags = serde_json::from_slice(&bytes).map_err(|_| {
                RegistryError::lie(format!("{what}: the answer is not the JSON of a list of tags"))
            })?;
            for tag in page.tags.unwrap_or_default() {
                if !is_tag(&tag) {
                    return Err(RegistryError::lie(format!(
                        "{what}: {:?} is no tag",
                        shown(&tag, 150)
                    )));
                }
                all.push(tag);
            }
            let Some(next) = answer.header("link").and_then(next_link) else {
                return Ok(all);
            };
            let next = address
                .join(&next)
                .map_err(|error| RegistryError::lie(format!("{what}: {error}")))?;
            if next.origin != address.origin {
                return Err(RegistryError::lie(format!(
                    "{what}: the next page is on another host, {}, which is not asked",
                    next.origin
                )));
            }
            if next == address || all.len() > MOST_TAGS {
                return Err(RegistryError::lie(format!("{what}: the list has no end")));
            }
            address = next;
        }
        Err(RegistryError::lie(format!("{what}: the list has no end")))
    }
}

pub(crate) fn is_tag(text: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
    !text.is_empty() && text.len() <= 128 && text.bytes().all(good) && !text.starts_with(['.', '-'])
}

/// The target of `<…>; rel="next"`.
pub(crate) fn next_link(header: &str) -> Option<String> {
    header.split(',').find_map(|link| {
        let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let is_next = parameters.split(';').any(|parameter| {
            let (name, value) = parameter.trim().split_once('=').unwrap_or_default();
            name.eq_ignore_ascii_case("rel") && value.trim_matches('"') == "next"
        });
        is_next.then(|| target.to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links() {
        assert_eq!(
            next_link(r#"</v2/a/tags/list?n=2&last=b>; rel="next""#).unwrap(),
            "/v2/a/tags/list?n=2&last=b"
        );
        assert_eq!(next_link("<x>; rel=prev, <y>; rel=next").unwrap(), "y");
        for none in ["", "<x", "x; rel=next", "<x>"] {
            assert!(next_link(none).is_none(), "{none}");
        }
    }
}
