//! Which packages belong together.
//!
//! Deterministic, without search: of each name only the newest version counts; dependencies with one possible
//! answer are settled first; of several answers one that is there already wins, then the first alternative as
//! written, real packages before providers, providers by priority and name.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::index::Offer;
use crate::relation::{Alternatives, Operator, Requirement, parse_relations};

/// The newest offers by name, and who provides what.
pub(crate) struct Universe {
    offers: BTreeMap<String, Offer>,
    /// Virtual name → (package, version provided).
    providers: BTreeMap<String, Vec<(String, Requirement)>>,
}

impl Universe {
    /// Keeps the newest of the offers with one name; of equal ones the first.
    pub(crate) fn new(offers: impl IntoIterator<Item = Offer>) -> Result<Universe, String> {
        let mut newest: BTreeMap<String, Offer> = BTreeMap::new();
        for offer in offers {
            match newest.get(&offer.name) {
                Some(known) if known.version >= offer.version => {}
                _ => drop(newest.insert(offer.name.clone(), offer)),
            }
        }
        let mut providers: BTreeMap<String, Vec<(String, Requirement)>> = BTreeMap::new();
        for offer in newest.values().filter(|offer| !offer.provides.is_empty()) {
            for provided in relations(offer, &offer.provides)?.into_iter().flatten() {
                providers
                    .entry(provided.name.clone())
                    .or_default()
                    .push((offer.name.clone(), provided));
            }
        }
        for (_, list) in providers.iter_mut() {
            list.sort_by_key(|(name, _)| (newest[name].rank, name.clone()));
        }
        Ok(Universe {
            offers: newest,
            providers,
        })
    }

    /// Names of the packages that every system has.
    fn required(&self) -> impl Iterator<Item = &str> {
        self.offers
            .values()
            .filter(|offer| offer.required)
            .map(|offer| offer.name.as_str())
    }

    /// What satisfies `requirement`, best first.
    fn answers<'a>(&'a self, requirement: &'a Requirement) -> impl Iterator<Item = &'a Offer> {
        let real = self
            .offers
            .get(&requirement.name)
            .filter(|offer| requirement.accepts(&offer.version));
        let providers = self.providers.get(&requirement.name).into_iter().flatten();
        let provided = providers
            .filter(|(_, provided)| match (&requirement.limit, &provided.limit) {
                (None, _) => true,
                (Some(_), Some((Operator::Equal, version))) => requirement.accepts(version),
                (Some(_), _) => false,
            })
            .filter_map(|(name, _)| self.offers.get(name));
        real.into_iter().chain(provided)
    }
}

fn relations(offer: &Offer, text: &str) -> Result<Vec<Alternatives>, String> {
    parse_relations(text).map_err(|reason| format!("package {}: {reason}", offer.name))
}

/// The packages that `wanted` needs, sorted by name; with those that every system has if `complete`. What
/// `without` names counts as there.
pub(crate) fn resolve<'a>(
    universe: &'a Universe,
    wanted: &[String],
    without: &'a [String],
    complete: bool,
) -> Result<Vec<&'a Offer>, String> {
    let mut resolution = Resolution {
        universe,
        without: without.iter().map(String::as_str).collect(),
        selected: BTreeMap::new(),
        open: VecDeque::new(),
    };
    let required: Vec<&str> = if complete {
        universe.required().collect()
    } else {
        Vec::new()
    };
    for name in required.into_iter().chain(wanted.iter().map(String::as_str)) {
        let offer = universe
            .offers
            .get(name)
            .ok_or_else(|| format!("there is no package {name}"))?;
        resolution.select(offer, "the recipe")?;
    }
    resolution.settle()?;
    resolution.check_conflicts()?;
    Ok(resolution
        .selected
        .into_values()
        .map(|(offer, _)| offer)
        .collect())
}

/// A dependency that is not looked at yet.
struct Open {
    alternatives: Alternatives,
    from: String,
}

struct Resolution<'a> {
    universe: &'a Universe,
    without: BTreeSet<&'a str>,
    /// The packages taken, and what took each.
    selected: BTreeMap<&'a str, (&'a Offer, String)>,
    open: VecDeque<Open>,
}

impl<'a> Resolution<'a> {
    fn select(&mut self, offer: &'a Offer, reason: &str) -> Result<(), String> {
        if self.selected.contains_key(offer.name.as_str()) {
            return Ok(());
        }
        self.selected.insert(&offer.name, (offer, reason.to_string()));
        for alternatives in relations(offer, &offer.depends)? {
            self.open.push_back(Open {
                alternatives,
                from: offer.name.clone(),
            });
        }
        Ok(())
    }

    fn settle(&mut self) -> Result<(), String> {
        let mut ambiguous: VecDeque<Open> = VecDeque::new();
        loop {
            if let Some(open) = self.open.pop_front() {
                let answers = self.possible(&open)?;
                match answers[..] {
                    [] => {}
                    [only] => self.select(only, &open.from)?,
                    _ => ambiguous.push_back(open),
                }
            } else if let Some(open) = ambiguous.pop_front() {
                if let Some(first) = self.possible(&open)?.first() {
                    self.select(first, &open.from)?;
                }
            } else {
                return Ok(());
            }
        }
    }

    /// What can satisfy `open`, best first, each once; nothing if it is satisfied; an error if it cannot be.
    fn possible(&self, open: &Open) -> Result<Vec<&'a Offer>, String> {
        let universe = self.universe;
        let mut answers: Vec<&'a Offer> = Vec::new();
        for requirement in &open.alternatives {
            if self.without.contains(requirement.name.as_str()) {
                return Ok(Vec::new());
            }
            let names: Vec<&str> = universe
                .answers(requirement)
                .map(|offer| offer.name.as_str())
                .collect();
            for name in names {
                let Some(offer) = universe.offers.get(name) else {
                    continue;
                };
                if self.selected.contains_key(name) {
                    return Ok(Vec::new());
                }
                if !answers.iter().any(|known| known.name == name) {
                    answers.push(offer);
                }
            }
        }
        let missing = |reason: String| {
            format!(
                "{} (needed by {}) {reason}",
                printed(open),
                self.chain(&open.from)
            )
        };
        if answers.is_empty() {
            return Err(missing("is not offered by any source".into()));
        }
        let all = answers.clone();
        answers.retain(|offer| self.clash(offer).is_none());
        match (
            answers.is_empty(),
            all.first().and_then(|offer| self.clash(offer)),
        ) {
            (true, Some(other)) => Err(missing(format!("conflicts with {other}"))),
            _ => Ok(answers),
        }
    }

    /// A selected package that cannot stand beside `offer`.
    fn clash(&self, offer: &Offer) -> Option<&'a str> {
        let others = self.selected.values().map(|(other, _)| *other);
        others
            .filter(|other| excludes(offer, other) || excludes(other, offer))
            .map(|other| other.name.as_str())
            .next()
    }

    fn check_conflicts(&self) -> Result<(), String> {
        for (offer, _) in self.selected.values() {
            if let Some(other) = self.clash(offer) {
                return Err(format!(
                    "{} conflicts with {}",
                    self.chain(&offer.name),
                    self.chain(other)
                ));
            }
        }
        Ok(())
    }

    /// `libx (for hello, for the recipe)`.
    fn chain(&self, name: &str) -> String {
        let mut reasons = Vec::new();
        let mut current = name;
        while let Some((_, reason)) = self.selected.get(current) {
            reasons.push(format!("for {reason}"));
            current = reason;
        }
        format!("{name} ({})", reasons.join(", "))
    }
}

fn printed(open: &Open) -> String {
    open.alternatives
        .iter()
        .map(|one| one.to_string())
        .collect::<Vec<_>>()
        .join(" | ")
}

/// Whether a relation Conflicts or Breaks of `offer` means `other`, by name or by what it provides.
fn excludes(offer: &Offer, other: &Offer) -> bool {
    if offer.name == other.name || offer.conflicts.is_empty() {
        return false;
    }
    let provided: Vec<Requirement> = parse_relations(&other.provides)
        .unwrap_or_default()
        .into_iter()
        .flatten()
        .collect();
    parse_relations(&offer.conflicts)
        .unwrap_or_default()
        .into_iter()
        .flatten()
        .any(|conflict| {
            let by_name = conflict.name == other.name && conflict.accepts(&other.version);
            let by_provision = provided
                .iter()
                .filter(|provided| provided.name == conflict.name)
                .any(|provided| match (&conflict.limit, &provided.limit) {
                    (None, _) => true,
                    (Some(_), Some((_, version))) => conflict.accepts(version),
                    (Some(_), None) => false,
                });
            by_name || by_provision
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::read_index;

    /// `name version; Field: value; …` a line.
    fn offers(text: &str) -> Vec<Offer> {
        let paragraphs: Vec<String> = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .map(|line| {
                let mut parts = line.split(';');
                let (name, version) = parts.next().unwrap().trim().split_once(' ').unwrap();
                let fields: String = parts.map(|field| format!("{}\n", field.trim())).collect();
                format!(
                    "Package: {name}\nVersion: {version}\nArchitecture: amd64\nFilename: p/{name}.deb\nSize: 1\n\
                     SHA256: {}\n{fields}\n",
                    "0".repeat(64)
                )
            })
            .collect();
        read_index(paragraphs.concat().as_bytes(), "debian").unwrap()
    }

    fn names(text: &str, wanted: &[&str], without: &[&str], complete: bool) -> Result<Vec<String>, String> {
        let own = |list: &[&str]| list.iter().map(|name| name.to_string()).collect::<Vec<_>>();
        let (wanted, without) = (own(wanted), own(without));
        let universe = Universe::new(offers(text))?;
        let found = resolve(&universe, &wanted, &without, complete)?;
        Ok(found
            .iter()
            .map(|offer| format!("{} {}", offer.name, offer.version))
            .collect())
    }

    #[test]
    fn follows_dependencies_and_takes_the_newest() {
        let text = "aa 1; Depends: bb (>= 2)\nbb 1\nbb 2; Pre-Depends: cc\ncc 1; Depends: aa\ndd 1";
        assert_eq!(
            names(text, &["aa"], &[], false).unwrap(),
            ["aa 1", "bb 2", "cc 1"]
        );
    }

    #[test]
    fn adds_what_every_system_has_when_complete() {
        let text = "aa 1\nbase 1; Essential: yes; Depends: lib\nlib 1\nreq 1; Priority: required";
        assert_eq!(
            names(text, &["aa"], &[], true).unwrap(),
            ["aa 1", "base 1", "lib 1", "req 1"]
        );
        assert_eq!(names(text, &["aa"], &[], false).unwrap(), ["aa 1"]);
    }

    #[test]
    fn alternatives_prefer_what_is_there_then_the_first() {
        let text = "aa 1; Depends: xx | yy\nbb 1; Depends: yy\nxx 1\nyy 1";
        assert_eq!(names(text, &["aa"], &[], false).unwrap(), ["aa 1", "xx 1"]);
        assert_eq!(
            names(text, &["aa", "bb"], &[], false).unwrap(),
            ["aa 1", "bb 1", "yy 1"]
        );
    }

    #[test]
    fn virtual_packages_go_to_the_best_provider() {
        let text = "aa 1; Depends: awk\nmawk 1; Provides: awk; Priority: required\ngawk 1; Provides: awk; Priority: optional";
        assert_eq!(names(text, &["aa"], &[], false).unwrap(), ["aa 1", "mawk 1"]);
        let versioned = "aa 1; Depends: vv (>= 2)\npp 9; Provides: vv\nqq 1; Provides: vv (= 2)";
        assert_eq!(names(versioned, &["aa"], &[], false).unwrap(), ["aa 1", "qq 1"]);
    }

    #[test]
    fn what_is_left_out_counts_as_there() {
        let text = "aa 1; Depends: dpkg (>= 1), lib\nlib 1; Depends: debconf | debconf-2.0\ncdebconf 1; Provides: debconf-2.0";
        assert_eq!(
            names(text, &["aa"], &["dpkg", "debconf"], false).unwrap(),
            ["aa 1", "lib 1"]
        );
    }

    #[test]
    fn conflicts_steer_the_choice_or_are_errors() {
        let steer = "aa 1; Depends: xx | yy; Conflicts: xx\nxx 1\nyy 1";
        assert_eq!(names(steer, &["aa"], &[], false).unwrap(), ["aa 1", "yy 1"]);
        let breaks = "aa 1; Breaks: bb (<< 2)\nbb 1";
        let message = names(breaks, &["aa", "bb"], &[], false).unwrap_err();
        assert_eq!(message, "aa (for the recipe) conflicts with bb (for the recipe)");
        assert!(names("aa 1; Breaks: bb (<< 2)\nbb 2", &["aa", "bb"], &[], false).is_ok());
    }

    #[test]
    fn says_what_is_missing_and_for_whom() {
        let message = names(
            "aa 1; Depends: bb\nbb 1; Depends: cc (>= 2) | dd\ncc 1",
            &["aa"],
            &[],
            false,
        )
        .unwrap_err();
        assert_eq!(
            message,
            "cc (>= 2) | dd (needed by bb (for aa, for the recipe)) is not offered by any source"
        );
        assert_eq!(
            names("aa 1", &["zz"], &[], false).unwrap_err(),
            "there is no package zz"
        );
    }
}
