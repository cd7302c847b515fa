"""The two builders: praxis, and a buildah that is given the same bases and the same loans."""
import copy
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import bases
import image

HERE = Path(__file__).resolve().parent
# Set by shells, or by the builder itself.
OWN = {"PATH", "HOME", "HOSTNAME", "PWD", "OLDPWD", "SHLVL", "_", "TERM", "container"}
PROBE = """FROM debian:trixie-slim AS probe
RUN mkdir -p /lent/mirrors && env -0 > /lent/environment && cp /etc/apt/mirrors/*.list /lent/mirrors/ \\
    && for file in /dev/praxis-*; do [ ! -f "$file" ] || cp "$file" /lent/; done
FROM scratch
COPY --from=probe /lent /
"""


class Failed(Exception):
    """A build that did not succeed."""


def run(command, environment=None, timeout=1200):
    began = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                          env=environment, timeout=timeout, errors="replace", text=True)
    if done.returncode:
        raise Failed(f"{command[0]} ended with {done.returncode}:\n{done.stdout[-4000:]}")
    return done.stdout, time.monotonic() - began


def epoch(work):
    """The time that new files get: later than all of the bases, earlier than any build of this work directory."""
    file = work / "epoch"
    if not file.is_file():
        file.write_text(str(int(time.time())))
    return file.read_text()


class Praxis:
    """praxis with a store in the work directory."""

    def __init__(self, program, work, layouts):
        self.program, self.work, self.store = program, work, work / "store"
        self.prefix, self.contexts = [], []
        for folder, names in layouts:
            for name in names:
                self.contexts += ["--build-context", f"{name}=oci-layout://{folder}"]

    def command(self, context, arguments, output):
        # Never the name of a Dockerfile only: options of the case come first, as a user would write them.
        return [*self.prefix, self.program, "--root", str(self.store), "build", "--progress", "plain", *arguments, *self.contexts,
                "--output", output, str(context)]

    def build(self, context, arguments, out):
        shutil.rmtree(out, ignore_errors=True)
        environment = {**os.environ, "SOURCE_DATE_EPOCH": epoch(self.work)}
        output = f"type=oci,dest={out},tar=false,compression=uncompressed"
        _, seconds = run(self.command(context, arguments, output), environment)
        return seconds

    def read(self, out, cache):
        return image.Image(*image.oci_layout(out), cache)

    def copied_for(self, user, folder):
        """The same praxis run by `user`, with what it reads and its store in `folder`."""
        other = copy.copy(self)
        other.program, other.store = shutil.copy(self.program, folder / "praxis"), folder / "store"
        other.prefix = ["runuser", "-u", user, "--", "env", f"HOME={folder}"]
        other.contexts = []
        for option in self.contexts[1::2]:
            name, layout = option.split("=oci-layout://")
            bases_folder = folder / "bases" / Path(layout).name
            if not bases_folder.is_dir():
                shutil.copytree(layout, bases_folder)
            other.contexts += ["--build-context", f"{name}=oci-layout://{bases_folder}"]
        return other

    def digest(self, context, arguments, out):
        """The digest of the image's manifest."""
        self.build(context, arguments, out)
        return json.loads((out / "index.json").read_text())["manifests"][0]["digest"]

    def lent(self, folder):
        """Lets praxis show what it lends, and writes it down for `lending-runtime`."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
        with tempfile.TemporaryDirectory() as context:
            Path(context, "Dockerfile").write_text(PROBE)
            environment = {**os.environ, "SOURCE_DATE_EPOCH": epoch(self.work)}
            run(self.command(context, ["--no-cache"], f"type=local,dest={folder / 'lent'}"), environment)
        variables = (folder / "lent/environment").read_bytes().decode().split("\0")
        files = [{"source": str(file), "destination": f"/dev/{file.name}"} for file in (folder / "lent").glob("praxis-*")]
        loan = {"environment": [it for it in variables if it and it.split("=")[0] not in OWN], "files": files}
        (folder / "loan.json").write_text(json.dumps(loan))
        shutil.copy(HERE / "lending-runtime", folder / "lending-runtime")


class Buildah:
    """buildah with a store in the work directory, run in the tree `tree` (or on the system, `-`)."""

    def __init__(self, tree, work, layouts):
        self.work = work
        self.enter = [str(HERE / "enter"), str(tree), str(work)]
        limits = subprocess.run(["sh", "-c", "ulimit -Hn; ulimit -Hu 2>/dev/null || bash -c 'ulimit -Hu'"],
                                capture_output=True, text=True).stdout.split()
        limits = ", ".join(f'"{name}={value}:{value}"' for name, value in zip(("nofile", "nproc"), limits)
                           if value.isdigit())
        (work / "containers.conf").write_text(f"[containers]\ndefault_ulimits = [{limits}]\n")
        self.version = self.call("--version")[0].split()[2]
        known = self.call("images", "--quiet", "--no-trunc")[0]
        for folder, names in layouts:
            digest = bases.configuration_digest(folder)
            if digest not in known:
                self.call("pull", "--quiet", f"oci:{folder}")
            self.call("tag", digest, *[f"docker.io/library/{name}" for name in names])

    def call(self, *arguments):
        store = ["--root", str(self.work / "buildah-store"), "--runroot", str(self.work / "buildah-run")]
        return run([*self.enter, "buildah", *store, *arguments])

    def build(self, context, arguments, out):
        out.unlink(missing_ok=True)
        tag = "localhost/differential"
        # BuildKit knows one format, with health checks and shells; buildah's docker format is that one.
        _, seconds = self.call(
            "build", "--layers", "--pull=never", "--format", "docker", "--network", "host", "--isolation", "oci",
            "--runtime", str(self.work / "loan/lending-runtime"),
            # Docker's default capabilities, which BuildKit grants, are more than buildah's.
            "--cap-add", "MKNOD,NET_RAW,AUDIT_WRITE",
            "--source-date-epoch", epoch(self.work), "--rewrite-timestamp",
            *arguments, "--tag", tag, str(context))
        self.call("push", "--quiet", tag, f"docker-archive:{out}")
        return seconds

    def read(self, out, cache):
        return image.Image(*image.docker_archive(out), cache)
