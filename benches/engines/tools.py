"""The engines: how each is told a pipeline, started, and asked how many stages it executed."""
import glob
import json
import os
import shlex
import subprocess
import sys

from emit_pipe import emit


def write(workspace, name, text):
    path = os.path.join(workspace, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)


def counted(stage):
    """The command, leaving a line in exec.log."""
    return f"echo {stage['id']} >> exec.log; {stage['cmd']}"


class Counted:
    """An engine that runs commands in the workspace, where they count themselves."""

    env = {}

    def __init__(self, options):
        self.options = options

    def executed(self, workspace):
        path = os.path.join(workspace, "exec.log")
        if not os.path.exists(path):
            return 0
        with open(path) as file:
            count = sum(1 for _ in file)
        os.remove(path)
        return count


class Direct(Counted):
    """No engine: a shell runs every command in order. The floor for cold runs."""

    def setup(self, spec, workspace):
        commands = "\n".join(f"sh -c {shlex.quote(counted(stage))}" for stage in spec["stages"])
        write(workspace, "run.sh", f"set -e\nmkdir -p out\n{commands}\n")

    def command(self, spec):
        return ["sh", "run.sh"]


class Ninja(Counted):
    def setup(self, spec, workspace):
        lines = ["rule r", "  command = $c", "  restat = 1", ""]
        for stage in spec["stages"]:
            stamps = [f"{path}.stamp" for path in stage["dir_outputs"]]
            outputs = " ".join(stage["outputs"] + stamps)
            inputs = " ".join(stage["inputs"] + [f"{path}.stamp" for path in stage["dir_inputs"]])
            command = counted(stage).replace("$", "$$") + "".join(f"; touch {stamp}" for stamp in stamps)
            lines += [f"build {outputs}: r {inputs}", f"  c = {command}", ""]
        write(workspace, "build.ninja", "\n".join(lines))

    def command(self, spec):
        return [os.path.join(self.options.peers, "bin", "ninja"), "-j", self.options.jobs]


class Dvc(Counted):
    env = {"DVC_NO_ANALYTICS": "1"}

    def setup(self, spec, workspace):
        lines = ["stages:"]
        for stage in spec["stages"]:
            lines += [f"  {stage['id']}:", f"    cmd: {json.dumps(counted(stage))}", "    deps:"]
            lines += [f"    - {path}" for path in stage["inputs"] + stage["dir_inputs"]]
            lines += ["    outs:"] + [f"    - {path}" for path in stage["outputs"] + stage["dir_outputs"]]
        write(workspace, "dvc.yaml", "\n".join(lines) + "\n")
        for words in (["init", "-q", "--no-scm"], ["config", "core.analytics", "false"],
                      ["config", "core.check_update", "false"]):
            subprocess.run([self.program(), *words], cwd=workspace, check=True, env={**os.environ, **self.env},
                           stdout=subprocess.DEVNULL)

    def program(self):
        return os.path.join(self.options.peers, "bin", "dvc")

    def command(self, spec):
        return [self.program(), "repro"]


class Pipe:
    env = {}

    def __init__(self, options):
        self.options = options
        self.seen = set()

    def setup(self, spec, workspace):
        for name, text in emit(spec).items():
            write(workspace, name, text)

    def command(self, spec):
        return [self.options.pipe, "run", "pipeline.yaml", "--jobs", self.options.jobs]

    def executed(self, workspace):
        """Stages that ended as `ran` in the event streams written since the last call."""
        streams = set(glob.glob(os.path.join(workspace, "cache", "runs", "*", "events.ndjson")))
        new, self.seen = streams - self.seen, streams
        count = 0
        for stream in new:
            with open(stream) as file:
                for line in file:
                    ended = json.loads(line).get("event", {})
                    ended = ended.get("stage_ended") if isinstance(ended, dict) else None
                    count += bool(ended) and ended["outcome"] == "ran"
        return count


TOOLS = {"direct": Direct, "ninja": Ninja, "dvc": Dvc, "pipe": Pipe}

# Pinned versions of the peers, so that two people measure against the same.
PEERS = ["ninja==1.13.2", "dvc==3.67.1"]


def install_peers(directory):
    """A virtual environment with the peers, made when it is not there."""
    if not os.path.exists(os.path.join(directory, "bin", "dvc")):
        print(f"installing {', '.join(PEERS)} into {directory} ...", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", directory], check=True)
        pip = [os.path.join(directory, "bin", "pip"), "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run(pip + PEERS, check=True, stdout=sys.stderr)
