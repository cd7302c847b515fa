"""The comparer finds what differs. Run by scripts/test."""
import gzip
import hashlib
import io
import json
import tarfile
import tempfile
import tomllib
import unittest
from pathlib import Path

import compare
import explain
import image

HERE = Path(__file__).resolve().parent


def layer(*members):
    """A plain layer of (name, type, content or link, other fields)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, kind, text, fields in members:
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.mtime = kind, 0o644, 5
            for field, value in fields.items():
                setattr(info, field, value)
            content = text.encode() if kind == tarfile.REGTYPE else b""
            info.size = len(content)
            if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
                info.linkname = text
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def file(name, text="", **fields):
    return name, tarfile.REGTYPE, text, fields


def docker(folder, layers, settings):
    """A docker archive with these layers."""
    path = Path(folder) / "image.tar"
    digests = [hashlib.sha256(data).hexdigest() for data in layers]
    configuration = {"config": settings, "rootfs": {"diff_ids": ["sha256:" + digest for digest in digests]}}
    with tarfile.open(path, "w") as archive:
        def add(name, data):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for digest, data in zip(digests, layers):
            add(digest + ".tar", data)
        add("c.json", json.dumps(configuration).encode())
        add("manifest.json", json.dumps([{"Config": "c.json", "Layers": [it + ".tar" for it in digests]}]).encode())
    return image.Image(*image.docker_archive(path), Path(folder) / "cache")


def oci(folder, layers, settings):
    """A layout with these layers, gzipped."""
    blobs = Path(folder) / "blobs/sha256"
    blobs.mkdir(parents=True)

    def put(data):
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"digest": "sha256:" + digest}
    diff_ids = ["sha256:" + hashlib.sha256(data).hexdigest() for data in layers]
    manifest = {"layers": [put(gzip.compress(data)) for data in layers],
                "config": put(json.dumps({"config": settings, "rootfs": {"diff_ids": diff_ids}}).encode())}
    (Path(folder) / "index.json").write_text(json.dumps({"manifests": [put(json.dumps(manifest).encode())]}))
    return image.Image(*image.oci_layout(folder), Path(folder) / "cache")


def found(ours, theirs, a=None, b=None):
    """Places and kinds of differences between two images."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        pair = oci(one, ours, a or {}), docker(other, theirs, b or {})
        return [(place, kind) for place, kind, *_ in compare.differences(*pair)]


class Comparer(unittest.TestCase):
    def test_layers_may_be_cut_differently(self):
        ours = [layer(file("a", "1"), file("d/b", "2"))]
        theirs = [layer(file("a", "old"), file("gone")), layer(file("a", "1"), file(".wh.gone"), file("d/b", "2"))]
        self.assertEqual(found(ours, theirs), [])

    def test_every_kind_is_found(self):
        same = ("link", tarfile.SYMTYPE, "x", {})
        ours = [layer(file("a", "1"), file("m"), file("o", uid=7), file("g", gid=7), file("t"), file("x"), same,
                      ("k", tarfile.FIFOTYPE, "", {}), file("mine"))]
        theirs = [layer(file("a", "2"), file("m", mode=0o4644), file("o"), file("g"), file("t", mtime=6),
                        file("x", pax_headers={"SCHILY.xattr.user.a": "b"}), ("link", tarfile.SYMTYPE, "y", {}),
                        file("k"), file("yours"))]
        self.assertEqual(found(ours, theirs), [
            ("/a", "content"), ("/g", "gid"), ("/k", "type"), ("/link", "link"), ("/m", "mode"),
            ("/mine", "only-praxis"), ("/o", "uid"), ("/t", "mtime"), ("/x", "xattrs"), ("/yours", "only-buildah")])

    def test_hard_links_are_compared_by_their_names(self):
        ours = [layer(file("a", "1"), ("b", tarfile.LNKTYPE, "a", {}))]
        theirs = [layer(file("a", "1"), file("b", "1"))]
        self.assertEqual(found(ours, theirs), [("/a", "names"), ("/b", "names")])
        self.assertEqual(found(ours, ours), [])

    def test_an_opaque_directory_and_a_file_over_one_hide_what_was_there(self):
        below = layer(file("d/a"), ("e", tarfile.DIRTYPE, "", {}), file("e/a"))
        over = layer(file("d/.wh..wh..opq"), file("d/b"), file("e"))
        self.assertEqual(found([below, over], [layer(file("d/b"), file("e"))]), [])

    def test_configurations_differ_field_by_field(self):
        ours = {"Env": ["A=1", "B=2"], "Labels": {"x": "1"}, "User": "app", "Cmd": None}
        theirs = {"Env": ["B=2", "A=0"], "Labels": {"x": "1", "y": "2"}, "Cmd": []}
        self.assertEqual(found([], [], ours, theirs),
                         [("config:User", "value"), ("config:Env:A", "value"), ("config:Labels:y", "value")])

    def test_a_layer_must_be_what_its_diff_id_says(self):
        data = layer(file("a"))
        with tempfile.TemporaryDirectory() as folder, self.assertRaises(ValueError):
            image.listing(lambda: io.BytesIO(data), "sha256:" + "0" * 64, Path(folder))


class Explanations(unittest.TestCase):
    def test_unstable_rules_need_a_second_run_that_differs(self):
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as rules:
            rules.write('[[difference]]\nname = "n"\nplace = ["/var/log/*"]\nkinds = ["content"]\nreason = "r"\n'
                        'buildkit = "both"\nunstable = true\n')
            rules.flush()
            book = explain.Rules(Path(rules.name))
        one = ("/var/log/a", "content", "1", "2")
        self.assertIsNone(book.explain("case", [one], set())[0][0])
        self.assertEqual(book.explain("case", [one], {"/var/log/a"})[0][0]["name"], "n")
        self.assertIsNone(book.explain("case", [("/var/log/a", "mode", "1", "2")], {"/var/log/a"})[0][0])

    def test_the_rules_of_this_run_are_well_formed(self):
        self.assertTrue(explain.Rules().rules)

    def test_there_are_enough_cases_and_no_option_file_is_alone(self):
        cases = {it.name for it in (HERE / "cases").iterdir() if it.is_dir()}
        self.assertGreaterEqual(len(cases), 60)
        for options in (HERE / "cases").glob("*.toml"):
            self.assertIn(options.stem, cases)
            self.assertTrue(tomllib.loads(options.read_text())["args"])


if __name__ == "__main__":
    unittest.main()
