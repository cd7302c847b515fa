"""The service as its callers see it."""

import io
import json
import os
import subprocess
import sys
import unittest
from pathlib import Path

from praxis_example.server import BATCH_LIMIT, LINE_LIMIT, serve

DEPLOYMENT = {"name": "web", "image": "sha256:" + "a" * 64}


def ask(*lines):
    """The responses to lines, each an object or raw bytes."""
    raw = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    sink = io.BytesIO()
    serve(io.BytesIO(b"\n".join(raw)), sink)
    return [json.loads(line) for line in sink.getvalue().splitlines()]


def request(method, request_id=1, **members):
    return {"jsonrpc": "2.0", "id": request_id, "method": method, **members}


class Calls(unittest.TestCase):
    def test_ping(self):
        self.assertEqual(ask(request("ping", "a")), [{"jsonrpc": "2.0", "id": "a", "result": "pong"}])

    def test_describe_names_user_and_methods(self):
        [answer] = ask(request("describe"))
        self.assertEqual(answer["result"]["uid"], os.getuid())
        self.assertEqual(answer["result"]["methods"], ["describe", "ping", "validate"])

    def test_validate(self):
        [good, bad] = ask(
            request("validate", params={"deployment": DEPLOYMENT}),
            request("validate", params=[{**DEPLOYMENT, "uid": 0, "extra": 1}]),
        )
        self.assertEqual(good["result"], {"valid": True, "problems": []})
        self.assertFalse(bad["result"]["valid"])
        self.assertEqual({p["path"] for p in bad["result"]["problems"]}, {"uid", "extra"})

    def test_a_tag_is_no_digest(self):
        [answer] = ask(request("validate", params=[{"name": "web", "image": "web:latest"}]))
        self.assertEqual([p["path"] for p in answer["result"]["problems"]], ["image"])


class Errors(unittest.TestCase):
    def code(self, line):
        [answer] = ask(line)
        return answer["error"]["code"]

    def test_codes(self):
        self.assertEqual(self.code(b"{"), -32700)
        self.assertEqual(self.code(b"\xff"), -32700)
        self.assertEqual(self.code(b"[" * 100_000), -32700)
        self.assertEqual(self.code(b"1"), -32600)
        self.assertEqual(self.code(b"[]"), -32600)
        self.assertEqual(self.code({"id": 1, "method": "ping"}), -32600)
        self.assertEqual(self.code(request("ping", more=1)), -32600)
        self.assertEqual(self.code(request("pong")), -32601)
        self.assertEqual(self.code(request("ping", params=[1])), -32602)
        self.assertEqual(self.code(request("validate")), -32602)
        self.assertEqual(self.code(request("validate", params={"deployment": 1})), -32602)

    def test_a_wrong_request_keeps_its_id(self):
        [answer] = ask({"id": 7, "method": 1})
        self.assertEqual(answer["id"], 7)

    def test_an_endless_line_is_refused_and_the_next_is_answered(self):
        answers = ask(b"x" * (2 * LINE_LIMIT + 5), request("ping"))
        self.assertEqual(answers[0]["error"]["code"], -32600)
        self.assertEqual(answers[1]["result"], "pong")


class Batches(unittest.TestCase):
    def test_notifications_are_not_answered(self):
        note = {"jsonrpc": "2.0", "method": "ping"}
        self.assertEqual(ask(note, [note, note], b"", b"  "), [])
        [[answer]] = ask([note, request("ping", 5)])
        self.assertEqual(answer["id"], 5)

    def test_a_batch_is_bounded(self):
        [answer] = ask([request("ping")] * (BATCH_LIMIT + 1))
        self.assertEqual(answer["error"]["code"], -32600)


class Process(unittest.TestCase):
    def test_ends_with_its_input(self):
        source = Path(__file__).parent.parent / "src"
        done = subprocess.run(
            [sys.executable, "-m", "praxis_example"],
            input=b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n',
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(source), *sys.path])},
            capture_output=True,
            timeout=60,
        )
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertEqual(json.loads(done.stdout)["result"], "pong")


if __name__ == "__main__":
    unittest.main()
