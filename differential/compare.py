"""Differences between two images, each with a place and a kind that rules of explained.toml can name."""

CONFIGURATION = ["User", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels", "StopSignal", "Shell",
                 "Healthcheck", "OnBuild", "ExposedPorts"]


def differences(ours, theirs):
    """All differences as (place, kind, ours, theirs); a place is a path or `config:FIELD`."""
    return tree(ours.tree, theirs.tree) + configuration(ours.configuration, theirs.configuration)


def tree(ours, theirs):
    found = []
    for path in sorted(set(ours) | set(theirs)):
        a, b = ours.get(path), theirs.get(path)
        if a is None or b is None:
            found.append((path, "only-buildah" if a is None else "only-praxis", brief(a), brief(b)))
            continue
        if a["type"] != b["type"]:
            found.append((path, "type", a["type"], b["type"]))
            continue
        for kind in ("mode", "uid", "gid", "sha256", "link", "device", "xattrs", "names", "mtime"):
            if a.get(kind) != b.get(kind):
                named = {"sha256": "content"}.get(kind, kind)
                if kind == "mtime" and a["type"] == "directory":
                    named = "directory-time-kept" if a["mtime"] < b["mtime"] else "directory-time"
                found.append((path, named, a.get(kind), b.get(kind)))
    return found


def brief(node):
    return node and {key: value for key, value in node.items() if key != "names"}


def configuration(ours, theirs):
    found = []
    a, b = ours.get("config") or {}, theirs.get("config") or {}
    for field in CONFIGURATION:
        one, other = normal(field, a.get(field)), normal(field, b.get(field))
        if field in ("Labels", "Env") and one != other:
            found += members(field, one, other)
        elif one != other:
            found.append((f"config:{field}", "value", one, other))
    for field in ("architecture", "variant", "os", "author"):
        if (ours.get(field) or "") != (theirs.get(field) or ""):
            found.append((f"config:{field}", "value", ours.get(field), theirs.get(field)))
    return found


def normal(field, value):
    """Absent, null and empty say the same in a configuration."""
    if field == "Env":
        return dict(item.split("=", 1) for item in value or [])
    return value or None


def members(field, ours, theirs):
    """Labels and variables differ one by one; their order is compared by what a process would see."""
    ours, theirs = ours or {}, theirs or {}
    return [(f"config:{field}:{name}", "value", ours.get(name), theirs.get(name))
            for name in sorted(set(ours) | set(theirs)) if ours.get(name) != theirs.get(name)]
