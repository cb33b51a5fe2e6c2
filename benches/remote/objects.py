#!/usr/bin/env python3
"""benches/remote/objects.py PIPE_AWS AWS [SIZES]: `pipe-aws` beside `aws s3 cp` on one SeaweedFS, both over loopback.

Sends and fetches one file of 1 GiB and 10,000 files of 1 KiB, turn by turn, and prints seconds as JSON. PIPE_AWS is the program
(a development build will do: its checksums and its TLS are optimized), AWS the command of the AWS tools. Every byte is compared.
tests/testcloud/environment.sh installs SeaweedFS.
"""

import filecmp
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LARGE, MANY, SMALL = 1 << 30, 10_000, 1 << 10
LANES = 128  # requests under way, as an engine would have them


def free_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


def seaweed(directory):
    keys = {"identities": [{"name": "test", "credentials": [{"accessKey": "test", "secretKey": "secret-key"}],
                            "actions": ["Admin", "Read", "Write", "List"]}]}
    (directory / "keys.json").write_text(json.dumps(keys))
    names = [f"{name}.port{kind}" for name in ("s3", "master", "volume", "filer", "admin") for kind in ("", ".grpc")]
    ports = {name: free_port() for name in names}
    flags = [f"-{name}={port}" for name, port in ports.items()] + ["-s3.iam=false", "-s3.port.iceberg=0", "-s3.port.lance=0"]
    server = subprocess.Popen(
        [ROOT / ".deps/testcloud/bin/weed", "mini", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-dir=.", "-s3.config=keys.json",
         "-webdav=false", "-master.telemetry=false", "-bucket=bucket", *flags],
        cwd=directory, env={"HOME": str(directory), "PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    for line in server.stdout:
        if "ready to use" in line:
            break
    # It leaves sockets in /tmp behind.
    sockets = [path for port in ports.values() for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock")]
    return server, f"http://127.0.0.1:{ports['s3.port']}", sockets


class Program:
    def __init__(self, path, environment):
        self.child = subprocess.Popen([path, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True)
        self.say({"hello": {"protocol": 1, "objects": {"s3": {"url": "s3://bucket/pipe"}}}})
        welcome = json.loads(self.child.stdout.readline())
        assert "hello" in welcome, welcome

    def say(self, line):
        self.child.stdin.write(json.dumps(line) + "\n")
        self.child.stdin.flush()

    def all(self, operations):
        """Carries out operations, LANES at once."""
        waiting = iter(enumerate(operations))
        under_way = 0
        while True:
            while under_way < LANES and (one := next(waiting, None)) is not None:
                self.say({"id": one[0], "do": one[1]})
                under_way += 1
            if under_way == 0:
                return
            answer = json.loads(self.child.stdout.readline())
            if "note" not in answer:
                assert "done" in answer and answer["done"].get("size", 0) is not None, answer
                under_way -= 1


def peak(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmHWM"))


def timed(work, *arguments):
    began = time.monotonic()
    work(*arguments)
    return round(time.monotonic() - began, 2)


def main():
    program, aws = sys.argv[1:3]
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    result = {name: {"pipe-aws": [], "aws": []} for name in ("push large", "pull large", "push many", "pull many")}
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        (directory / "server").mkdir()
        server, endpoint, sockets = seaweed(directory / "server")
        environment = {"PATH": os.environ["PATH"], "HOME": temporary, "AWS_ENDPOINT_URL": endpoint, "AWS_REGION": "us-east-1",
                       "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "secret-key"}
        large, many = directory / "large", directory / "many"
        with large.open("wb") as file:
            for _ in range(LARGE >> 20):
                file.write(os.urandom(1 << 20))
        many.mkdir()
        names = [f"{index:05}" for index in range(MANY)]
        for name in names:
            (many / name).write_bytes(os.urandom(SMALL))
        serve = Program(program, environment)

        def cp(*arguments):
            subprocess.run([aws, "s3", "cp", "--quiet", *arguments], env=environment, check=True)

        def put(name, path, size):
            return {"put": {"name": name, "file": str(path), "size": size, "if": "any"}}

        for round in range(rounds):
            got = directory / f"got{round}"
            for who in ("pipe", "aws"):
                (got / who).mkdir(parents=True)
            here = {
                "push large": [
                    lambda: serve.all([put(f"{round}/large", large, LARGE)]),
                    lambda: cp(str(large), f"s3://bucket/aws/{round}/large")],
                "pull large": [
                    lambda: serve.all([{"get": {"name": f"{round}/large", "file": str(got / "pipe/large")}}]),
                    lambda: cp(f"s3://bucket/aws/{round}/large", str(got / "aws/large"))],
                "push many": [
                    lambda: serve.all(put(f"{round}/many/{name}", many / name, SMALL) for name in names),
                    lambda: cp("--recursive", str(many), f"s3://bucket/aws/{round}/many")],
                "pull many": [
                    lambda: serve.all({"get": {"name": f"{round}/many/{name}", "file": str(got / "pipe" / name)}} for name in names),
                    lambda: cp("--recursive", f"s3://bucket/aws/{round}/many", str(got / "aws"))],
            }
            for what, (ours, theirs) in here.items():
                result[what]["pipe-aws"].append(timed(ours))
                result[what]["aws"].append(timed(theirs))
            for who in ("pipe", "aws"):
                assert filecmp.cmp(large, got / who / "large", shallow=False)
                assert all(filecmp.cmp(many / name, got / who / name, shallow=False) for name in names)
            shutil.rmtree(got)
        result["peak MB of pipe-aws"] = peak(serve.child.pid)
        serve.child.stdin.close()
        assert serve.child.wait() == 0
        server.kill()
        server.wait()
        for left in sockets:
            left.unlink(missing_ok=True)
    json.dump(result, sys.stdout, indent=2)
    print()


main()
