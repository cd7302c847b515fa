"""The Dockerfile follows docs/adr/0001-container-image.md."""

import re
import tomllib
import unittest
from pathlib import Path

TOP = Path(__file__).parent.parent
TEXT = (TOP / "Dockerfile").read_text()
STAGES = re.findall(r"^FROM (\S+?)@(sha256:[0-9a-f]{64})(?: AS (\w+))?$", TEXT, re.MULTILINE)


class Image(unittest.TestCase):
    def test_two_stages_on_bases_pinned_by_digest(self):
        self.assertEqual([stage for _, _, stage in STAGES], ["builder", ""])
        self.assertEqual(len(STAGES), len(re.findall(r"^FROM ", TEXT, re.MULTILINE)))
        for name, _, _ in STAGES:
            self.assertIn(f"# {name}\nFROM {name}@", TEXT)

    def test_the_labels_name_the_base_of_the_last_stage(self):
        name, digest, _ = STAGES[-1]
        self.assertIn(f'image.base.name="{name}"', TEXT)
        self.assertIn(f'image.base.digest="{digest}"', TEXT)

    def test_the_governance_label_names_files_that_exist(self):
        [value] = re.findall(r'io\.praxis\.governance="([^"]+)"', TEXT)
        for path in value.split():
            self.assertTrue((TOP / path).is_file(), path)

    def test_not_root_and_without_login(self):
        self.assertRegex(TEXT, r"(?m)^USER 10001:10001$")
        self.assertRegex(TEXT, r"(?m)^praxis:\*:10001:10001:.*:/usr/sbin/nologin$")
        self.assertRegex(TEXT, r'(?m)^ENTRYPOINT \["')

    def test_every_requirement_has_a_hash(self):
        for name in ("requirements.txt", "requirements-build.txt"):
            lines = (TOP / name).read_text().replace("\\\n", "").splitlines()
            pinned = [line for line in lines if line and not line.startswith("#")]
            self.assertTrue(pinned)
            for line in pinned:
                self.assertRegex(line, r"^[a-z-]+==[\d.]+ .*--hash=sha256:[0-9a-f]{64}")

    def test_the_version_is_said_once(self):
        project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
        self.assertIn(f"ARG VERSION={project['version']}\n", TEXT)
        self.assertIn(f'"{project["version"]}"', (TOP / "src/praxis_example/__init__.py").read_text())
        self.assertEqual(project["requires-python"], ">=3.12")


if __name__ == "__main__":
    unittest.main()
