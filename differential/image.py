"""Reads images as a user of them would: OCI layouts and docker archives to one merged tree and one configuration.

Shares no code with praxis. A layer is read once: its listing is kept under the digest of its plain tar.
"""
import gzip
import hashlib
import json
import subprocess
import tarfile
from pathlib import Path

TYPES = {
    tarfile.REGTYPE: "file", tarfile.AREGTYPE: "file", tarfile.CONTTYPE: "file", tarfile.DIRTYPE: "directory",
    tarfile.SYMTYPE: "symlink", tarfile.FIFOTYPE: "fifo", tarfile.CHRTYPE: "character", tarfile.BLKTYPE: "block",
}
WHITEOUT, OPAQUE = ".wh.", ".wh..wh..opq"
ROOT = {"type": "directory", "mode": "0755", "uid": 0, "gid": 0}


def oci_layout(folder):
    """Configuration and layers (media type, opener) of the only image of a layout."""
    folder = Path(folder)

    def blob(descriptor):
        return folder / "blobs" / descriptor["digest"].replace(":", "/")

    index = json.loads((folder / "index.json").read_text())
    manifest = json.loads(blob(index["manifests"][0]).read_text())
    while "manifests" in manifest:
        manifest = json.loads(blob(manifest["manifests"][0]).read_text())
    configuration = json.loads(blob(manifest["config"]).read_text())
    return configuration, [plain(blob(layer)) for layer in manifest["layers"]]


def docker_archive(file):
    """Configuration and layers of the only image of a `docker save` archive."""
    with tarfile.open(file) as archive:
        manifest = json.load(archive.extractfile("manifest.json"))[0]
        configuration = json.load(archive.extractfile(manifest["Config"]))

    def opener(name):
        def read():
            return tarfile.open(file).extractfile(name)
        return read
    return configuration, [opener(name) for name in manifest["Layers"]]


def plain(path):
    """Opens a blob as a plain tar."""
    def read():
        with path.open("rb") as file:
            magic = file.read(4)
        if magic[:2] == b"\x1f\x8b":
            return gzip.open(path)
        if magic == b"\x28\xb5\x2f\xfd":
            return subprocess.Popen(["zstd", "-dcq", str(path)], stdout=subprocess.PIPE).stdout
        return path.open("rb")
    return read


class Hashing:
    """A stream that hashes what is read through it."""

    def __init__(self, stream):
        self.stream, self.hash = stream, hashlib.sha256()

    def read(self, size=-1):
        data = self.stream.read(size)
        self.hash.update(data)
        return data


def listing(opener, diff_id, cache):
    """What one layer does: entries by path in order, and the paths it removes."""
    kept = cache / (diff_id.removeprefix("sha256:") + ".json")
    if kept.is_file():
        return json.loads(kept.read_text())
    entries, whiteouts, opaque = [], [], []
    stream = Hashing(opener())
    with tarfile.open(fileobj=stream, mode="r|", errors="surrogateescape") as archive:
        for member in archive:
            path = "/" + "/".join(part for part in member.name.split("/") if part not in ("", "."))
            parent, name = path.rsplit("/", 1)
            if name == OPAQUE:
                opaque.append(parent or "/")
            elif name.startswith(WHITEOUT):
                whiteouts.append(f"{parent}/{name[len(WHITEOUT):]}")
            else:
                entries.append((path, entry(archive, member)))
    while stream.read(1 << 20):
        pass
    if "sha256:" + stream.hash.hexdigest() != diff_id:
        raise ValueError(f"a layer is not what its diff id {diff_id} says")
    found = {"entries": entries, "whiteouts": whiteouts, "opaque": opaque}
    cache.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(found))
    return found


def entry(archive, member):
    """One entry of a layer's tar."""
    if member.islnk():
        return {"link-to": "/" + member.linkname.removeprefix("./").strip("/")}
    found = {"type": TYPES[member.type], "mode": f"{member.mode & 0o7777:04o}", "uid": member.uid, "gid": member.gid,
             "mtime": int(member.mtime)}
    if member.issym():
        found["link"] = member.linkname
        del found["mode"]
    elif member.isreg():
        content, digest = archive.extractfile(member), hashlib.sha256()
        while data := content.read(1 << 20):
            digest.update(data)
        found["size"], found["sha256"] = member.size, digest.hexdigest()
    elif member.ischr() or member.isblk():
        found["device"] = f"{member.devmajor}:{member.devminor}"
    xattrs = {key.removeprefix("SCHILY.xattr."): value.encode("utf-8", "surrogateescape").hex()
              for key, value in member.pax_headers.items() if key.startswith("SCHILY.xattr.")}
    if xattrs:
        found["xattrs"] = xattrs
    return found


class Image:
    """Configuration, number of layers and merged tree."""

    def __init__(self, configuration, openers, cache):
        self.configuration = configuration
        diff_ids = configuration["rootfs"]["diff_ids"] or []
        if len(diff_ids) != len(openers):
            raise ValueError("diff ids and layers differ in number")
        self.nodes = {"/": dict(ROOT)}
        for opener, diff_id in zip(openers, diff_ids):
            self.apply(listing(opener, diff_id, cache))
        self.tree = self.linked()

    def remove(self, path, itself=True):
        below = path.rstrip("/") + "/"
        for known in [known for known in self.nodes if known.startswith(below) and known != "/"]:
            del self.nodes[known]
        if itself:
            self.nodes.pop(path, None)

    def apply(self, layer):
        for path in layer["opaque"]:
            self.remove(path, itself=False)
        for path in layer["whiteouts"]:
            self.remove(path)
        for path, node in layer["entries"]:
            node = self.nodes[node["link-to"]] if "link-to" in node else dict(node)
            old = self.nodes.get(path)
            if old is not None and old["type"] == "directory" and node["type"] != "directory":
                self.remove(path)
            self.nodes[path] = node

    def linked(self):
        """Entries by path, each with the other names of its file."""
        names = {}
        for path, node in self.nodes.items():
            names.setdefault(id(node), []).append(path)
        tree = {}
        for path, node in self.nodes.items():
            tree[path] = dict(node)
            if len(names[id(node)]) > 1:
                tree[path]["names"] = sorted(names[id(node)])
        return tree
