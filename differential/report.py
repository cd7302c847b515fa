"""Results as lines for a terminal and as docs/differential.md."""
SHOWN = 12


def line(result):
    """One result; differences that nothing explains below it."""
    count = sum(len(places) for places in result["explained"].values())
    words = {"ok": "ok", "explained": f"explained {count}"}.get(result["verdict"], result["verdict"])
    times = " ".join(f"{name} {seconds}s" for name, seconds in result["seconds"].items())
    text = f"{words:<14} {result['case']:<32} {times}"
    if "error" in result:
        text += "\n  " + result["error"].replace("\n", "\n  ")
    for one in result["differences"][:SHOWN]:
        mark = " (differs between two runs of praxis too)" if one["unstable"] else ""
        text += f"\n  {one['kind']} {one['place']}{mark}\n    praxis  {one['praxis']}\n    buildah {one['buildah']}"
    if len(result["differences"]) > SHOWN:
        text += f"\n  and {len(result['differences']) - SHOWN} more in result.json"
    return text


def markdown(version, results, rules):
    """The published table."""
    passed = sum(result["verdict"] in ("ok", "explained") for result in results)
    same = sum(result["verdict"] == "ok" for result in results)
    lines = [
        f"# praxis beside buildah {version}",
        "",
        "Written by `scripts/differential --publish`. Both builders get the same context, the same base images byte for",
        "byte and the same loans (certificates, mirrors). Compared are the merged trees (type, mode, owner, content,",
        "links, extended attributes, times) and the configurations. Seconds were taken on a busy machine, and",
        "show that both did the work and are no benchmark.",
        "",
        f"{len(results)} cases: {same} without any difference, {passed - same} with named differences only, "
        f"{len(results) - passed} with others.",
        "",
        "| case | verdict | praxis s | buildah s | named differences |",
        "|---|---|--:|--:|---|",
    ]
    for result in results:
        named = ", ".join(f"{name} ({len(places)})" for name, places in result["explained"].items())
        seconds = result["seconds"]
        lines.append(f"| {result['case']} | {result['verdict']} | {seconds.get('praxis', '')} | "
                     f"{seconds.get('buildah', '')} | {named} |")
    lines += ["", "## The differences", "", "| name | agrees with BuildKit | why | where |", "|---|---|---|---|"]
    for rule in rules:
        places = sorted({place for result in results for place in result["explained"].get(rule["name"], [])})
        if places:
            where = ", ".join(f"`{place}`" for place in places[:4])
            more = f" and {len(places) - 4} more" if len(places) > 4 else ""
            lines.append(f"| {rule['name']} | {rule['buildkit']} | {' '.join(rule['reason'].split())} | {where}{more} |")
    return "\n".join(lines) + "\n"
