"""Rules of explained.toml: which difference is which known and named one."""
import fnmatch
import tomllib
from pathlib import Path

FIELDS = {"name", "cases", "place", "kinds", "reason", "buildkit", "unstable", "ours", "theirs"}


class Rules:
    """The rules, in their order; the first that matches names a difference."""

    def __init__(self, file=Path(__file__).with_name("explained.toml")):
        self.rules = tomllib.loads(file.read_text()).get("difference", [])
        for rule in self.rules:
            unknown = set(rule) - FIELDS
            missing = {"name", "place", "kinds", "reason", "buildkit"} - set(rule)
            if unknown or missing or rule["buildkit"] not in ("praxis", "buildah", "both", "neither"):
                raise SystemExit(f"explained.toml: {rule.get('name')}: unknown {unknown}, missing {missing}, or buildkit")
            if set(rule["place"]) & {"*", "/*", "/**"}:
                raise SystemExit(f"explained.toml: {rule['name']} would explain everything")

    def needs_second_run(self, case, differences):
        """Whether a rule about unstable content may decide."""
        return any(rule.get("unstable") for one in differences for rule in self.rules if matches(rule, case, one))

    def explain(self, case, differences, unstable):
        """(rule or nothing, difference) for each; `unstable` holds the places that differ between two runs of praxis."""
        def rule_of(one):
            for rule in self.rules:
                if matches(rule, case, one) and (not rule.get("unstable") or one[0] in unstable):
                    return rule
            return None
        return [(rule_of(one), one) for one in differences]


def matches(rule, case, difference):
    place, kind, ours, theirs = difference
    return (any(fnmatch.fnmatchcase(case, glob) for glob in rule.get("cases", ["*"]))
            and any(fnmatch.fnmatchcase(place, glob) for glob in rule["place"])
            and kind in rule["kinds"]
            and all(wanted in rule and value == rule[wanted] or wanted not in rule
                    for wanted, value in (("ours", ours), ("theirs", theirs))))
