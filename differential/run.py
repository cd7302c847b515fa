"""Builds every case with praxis and with buildah and compares what comes out. scripts/differential calls this."""
import argparse
import fnmatch
import json
import os
import shutil
import tempfile
import tomllib
from pathlib import Path

import bases
import builders
import compare
import explain
import report

HERE = Path(__file__).resolve().parent
CONTEXT_TIME = 1500000000


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--praxis", required=True)
    parser.add_argument("--buildah", required=True, help="tree with buildah, or -")
    parser.add_argument("--suite", type=Path, required=True, help="conformance suite, for its busybox base")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--fresh", action="store_true", help="take nothing from earlier runs but bases")
    parser.add_argument("--judge", action="store_true", help="build nothing; apply the rules to the last run")
    parser.add_argument("--user", help="instead of buildah, praxis as this user: the digests must be root's")
    parser.add_argument("--markdown", type=Path, help="write the table there")
    parser.add_argument("cases", nargs="*", default=[])
    given = parser.parse_args()
    work = given.work.resolve()
    chosen = [case for case in sorted(it for it in (HERE / "cases").iterdir() if it.is_dir())
              if any(fnmatch.fnmatchcase(case.name, glob) for glob in given.cases or ["*"])]
    if not chosen:
        raise SystemExit("no case has such a name")
    layouts = [(bases.busybox(given.suite, work), ["busybox:1"]), (work / "bases/basecfg", ["basecfg:1"])]
    layouts += [(bases.layout(given.praxis, work, name), names) for name, names in bases.declared().items()
                if name == "debian" or used(names, chosen)]
    praxis = builders.Praxis(given.praxis, work, layouts)
    if given.user:
        raise SystemExit(as_user(given.user, praxis, chosen, work))
    praxis.lent(work / "loan")
    buildah = builders.Buildah(given.buildah, work, layouts)
    print(f"buildah {buildah.version}", flush=True)
    rules = explain.Rules()
    results = []
    for case in chosen:
        if not given.judge:
            built(case, praxis, buildah, rules, work, ["--no-cache"] if given.fresh else [])
        result = judged(case.name, rules, work)
        results.append(result)
        print(report.line(result), flush=True)
    (work / "result.json").write_text(json.dumps({"buildah": buildah.version, "cases": results}, indent=1) + "\n")
    failed = sum(result["verdict"] in ("DIFF", "FAIL") for result in results)
    if given.markdown:
        given.markdown.write_text(report.markdown(buildah.version, results, rules.rules))
    print(f"{len(results) - failed} passed, {failed} failed")
    raise SystemExit(failed > 0)


def used(names, cases):
    """Whether a Dockerfile of `cases` may name the base."""
    return any(name.split(":")[0] + ":" in (case / "Dockerfile").read_text() for name in names for case in cases)


def prepared(case, work, more):
    """The context of a case, and its arguments."""
    options = case.with_suffix(".toml")
    arguments = tomllib.loads(options.read_text())["args"] if options.is_file() else []
    context = copied(case, work / "context")
    return context, [argument.replace("@CASE@", str(context)) for argument in [*arguments, *more]]


def as_user(user, praxis, chosen, work):
    """Builds as root and as an ordinary user with a store of its own; the number of cases whose digests differ."""
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        own = Path(folder, "own")
        own.mkdir()
        shutil.chown(own, user, user)
        other = praxis.copied_for(user, own)
        for case in chosen:
            context, arguments = prepared(case, Path(folder), ["--no-cache"])
            digests = [builder.digest(context, arguments, out)
                       for builder, out in ((praxis, work / "as-root"), (other, own / "as-user"))]
            same = digests[0] == digests[1]
            wrong += not same
            print(f"{'same' if same else 'DIFFERENT':<14} {case.name:<32} {' '.join(sorted(set(digests)))}", flush=True)
    print(f"{len(chosen) - wrong} passed, {wrong} failed")
    return int(wrong > 0)


def built(case, praxis, buildah, rules, work, more):
    """Builds one case with both; keeps times and differences in the work directory."""
    context, arguments = prepared(case, work, more)
    out = work / "cases" / case.name
    out.mkdir(parents=True, exist_ok=True)
    kept = {"seconds": {}, "differences": [], "unstable": []}
    try:
        kept["seconds"]["praxis"] = round(praxis.build(context, arguments, out / "praxis"), 2)
        kept["seconds"]["buildah"] = round(buildah.build(context, arguments, out / "buildah.tar"), 2)
        ours = praxis.read(out / "praxis", work / "layers")
        theirs = buildah.read(out / "buildah.tar", work / "layers")
        kept["differences"] = compare.differences(ours, theirs)
        if rules.needs_second_run(case.name, kept["differences"]):
            praxis.build(context, [*(it for it in arguments if it != "--no-cache"), "--no-cache"], out / "again")
            again = praxis.read(out / "again", work / "layers")
            kept["unstable"] = sorted({place for place, *_ in compare.differences(ours, again)})
    except (builders.Failed, ValueError) as error:
        kept["error"] = str(error)
    finally:
        for name in ("praxis", "again"):
            shutil.rmtree(out / name, ignore_errors=True)
        (out / "buildah.tar").unlink(missing_ok=True)
    (out / "kept.json").write_text(json.dumps(kept))


def judged(name, rules, work):
    """The verdict on what was kept of a case."""
    kept = json.loads((work / "cases" / name / "kept.json").read_text())
    result = {"case": name, "verdict": "ok", "seconds": kept["seconds"], "explained": {}, "differences": []}
    if "error" in kept:
        return {**result, "verdict": "FAIL", "error": kept["error"]}
    for rule, difference in rules.explain(name, kept["differences"], set(kept["unstable"])):
        place, kind, a, b = difference
        if rule is None:
            result["verdict"] = "DIFF"
            result["differences"].append({"place": place, "kind": kind, "praxis": a, "buildah": b,
                                          "unstable": place in kept["unstable"]})
        else:
            result["explained"].setdefault(rule["name"], []).append(f"{place} ({kind})")
    if result["explained"] and result["verdict"] == "ok":
        result["verdict"] = "explained"
    return result


def copied(case, context):
    """The case where both builders read it: a copy with modes and times that do not depend on the checkout."""
    shutil.rmtree(context, ignore_errors=True)
    shutil.copytree(case, context, symlinks=True)
    for path in [*context.rglob("*"), context]:
        if not path.is_symlink():
            executable = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if executable else 0o644)
        # Whole seconds: buildah rounds where BuildKit and praxis keep nanoseconds.
        os.utime(path, (CONTEXT_TIME, CONTEXT_TIME), follow_symlinks=False)
    return context


main()
