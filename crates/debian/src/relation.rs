//! Relations between packages: `Depends: libc6 (>= 2.38), awk | mawk`.

use std::fmt;

use crate::Version;

/// How a version is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Earlier,
    EarlierOrEqual,
    Equal,
    LaterOrEqual,
    Later,
}

/// One package of a relation, with its limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Requirement {
    pub(crate) name: String,
    pub(crate) limit: Option<(Operator, Version)>,
}

/// Alternatives of which one is enough.
pub(crate) type Alternatives = Vec<Requirement>;

impl Requirement {
    /// Any version of `name`.
    pub(crate) fn any(name: &str) -> Requirement {
        Requirement {
            name: name.into(),
            limit: None,
        }
    }

    /// Whether a package of this name and version satisfies the limits.
    pub(crate) fn accepts(&self, version: &Version) -> bool {
        let Some((operator, limit)) = &self.limit else {
            return true;
        };
        match operator {
            Operator::Earlier => version < limit,
            Operator::EarlierOrEqual => version <= limit,
            Operator::Equal => version == limit,
            Operator::LaterOrEqual => version >= limit,
            Operator::Later => version > limit,
        }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        let Some((operator, version)) = &self.limit else {
            return Ok(());
        };
        let operator = match operator {
            Operator::Earlier => "<<",
            Operator::EarlierOrEqual => "<=",
            Operator::Equal => "=",
            Operator::LaterOrEqual => ">=",
            Operator::Later => ">>",
        };
        write!(f, " ({operator} {version})")
    }
}

/// The relations in the value of a field, or what is wrong with it.
pub(crate) fn parse_relations(text: &str) -> Result<Vec<Alternatives>, String> {
    text.split(',')
        .map(str::trim)
        .filter(|group| !group.is_empty())
        .map(|group| {
            group
                .split('|')
                .map(|one| parse_requirement(one.trim()))
                .collect()
        })
        .collect()
}

fn parse_requirement(text: &str) -> Result<Requirement, String> {
    let wrong = || format!("invalid relation {text:?}");
    let (name, rest) = text.split_at(text.find([' ', '(', '[', '<']).unwrap_or(text.len()));
    let name = name.split_once(':').map_or(name, |(name, _architecture)| name);
    if !is_package_name(name) {
        return Err(wrong());
    }
    let Some((_, rest)) = rest.split_once('(') else {
        return Ok(Requirement::any(name));
    };
    let inside = rest.split_once(')').ok_or_else(wrong)?.0.trim();
    let (operator, version) =
        inside.split_at(inside.find(|c| !['<', '>', '='].contains(&c)).ok_or_else(wrong)?);
    let operator = match operator {
        "<<" => Operator::Earlier,
        "<=" | "<" => Operator::EarlierOrEqual,
        "=" => Operator::Equal,
        ">=" | ">" => Operator::LaterOrEqual,
        ">>" => Operator::Later,
        _ => return Err(wrong()),
    };
    let version = version.trim().parse().map_err(|_| wrong())?;
    Ok(Requirement {
        name: name.into(),
        limit: Some((operator, version)),
    })
}

/// Whether `name` is a package name that is also safe as a file name.
pub(crate) fn is_package_name(name: &str) -> bool {
    name.len() >= 2
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_alternatives_limits_and_qualifiers() {
        let text = "libc6 (>= 2.38), awk:any | mawk(<<1.3) , x11 [amd64] <!nocheck>,";
        let relations = parse_relations(text).unwrap();
        let printed: Vec<Vec<String>> = relations
            .iter()
            .map(|group| group.iter().map(|one| one.to_string()).collect())
            .collect();
        assert_eq!(
            printed,
            [vec!["libc6 (>= 2.38)"], vec!["awk", "mawk (<< 1.3)"], vec!["x11"]]
        );
    }

    #[test]
    fn limits_compare_versions() {
        for (text, version, expected) in [
            ("aa (>= 1.0)", "1.0", true),
            ("aa (>> 1.0)", "1.0", false),
            ("aa (<< 1.0)", "1.0~rc1", true),
            ("aa (= 1.0)", "1.0-0", true),
            ("aa (<= 1.0)", "1.1", false),
        ] {
            let requirement = &parse_relations(text).unwrap()[0][0];
            assert_eq!(
                requirement.accepts(&version.parse().unwrap()),
                expected,
                "{text} {version}"
            );
        }
    }

    #[test]
    fn refuses_malformed_relations() {
        for text in ["aa (>= )", "aa (1.0)", "aa (>= 1.0", "../x", "Aa", "a | "] {
            assert!(parse_relations(text).is_err(), "{text}");
        }
    }
}
