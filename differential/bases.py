"""The images that the cases start from, built once and kept as OCI layouts."""
import json
import shutil
import subprocess
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGES = 'packages = ["apt", "ca-certificates", "debian-archive-keyring", "netbase", "tzdata"'


def declared():
    """Names in Dockerfiles by base."""
    text = (HERE / "bases.toml").read_text()
    return {name: base["names"] for name, base in tomllib.loads(text).items()}


def recipe(name, base):
    """bases/debian-slim.toml with this base's packages and configuration."""
    text = (HERE.parent / "bases/debian-slim.toml").read_text()
    head, tail = text.split("[image]\n")
    more = "".join(f', "{package}"' for package in base.get("packages", []))
    head = head.replace(PACKAGES, PACKAGES + more).replace('name = "debian-slim"', f'name = "{name}"')
    return head + "[image]\n" + base.get("image", tail)


def layout(praxis, work, name):
    """The base's OCI layout; built when it is not there or its recipe changed."""
    base = tomllib.loads((HERE / "bases.toml").read_text())[name]
    folder = work / "bases"
    text = recipe(name, base)
    file, out = folder / f"{name}.toml", folder / name
    if out.is_dir() and file.is_file() and file.read_text() == text:
        return out
    print(f"making the base {name}", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(HERE.parent / "bases/keys", folder / "keys", dirs_exist_ok=True)
    shutil.rmtree(out, ignore_errors=True)
    file.write_text(text)
    tag = f"localhost/differential/{name}"
    run = [praxis, "--root", str(work / "store")]
    # Versions change daily: the lock belongs to this run. All bases of one work directory are of one day.
    for arguments in (["base", "lock", str(file)], ["base", "build", str(file), "--tag", tag]):
        called(run + arguments, file)
    with_name = folder / f"{name}.context"
    with_name.mkdir(exist_ok=True)
    (with_name / "Dockerfile").write_text(f"FROM {tag}\n")
    called(run + ["build", "--output", f"type=oci,dest={out}.partial,tar=false",
                  str(with_name)], file)
    Path(f"{out}.partial").rename(out)
    return out


def called(command, recipe_file):
    """Runs a step of a base; the recipe does not count as built when it fails."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        recipe_file.unlink()
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")


def busybox(suite, work):
    """The conformance suite's busybox base, the small base of the cases."""
    folder = work / "bases"
    if not (folder / "busybox/index.json").is_file():
        subprocess.run(["python3", str(suite / "base/make-base.py"), str(folder)], check=True, capture_output=True)
    return folder / "busybox"


def configuration_digest(layout_folder):
    """The image id by which buildah knows a pulled layout."""
    index = json.loads((layout_folder / "index.json").read_text())
    digest = index["manifests"][0]["digest"].removeprefix("sha256:")
    manifest = json.loads((layout_folder / "blobs/sha256" / digest).read_text())
    return manifest["config"]["digest"].removeprefix("sha256:")
