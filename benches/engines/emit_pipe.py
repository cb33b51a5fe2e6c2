"""A neutral pipeline in the language of `pipe`: `emit(spec)` gives {file name: text}.

Works for the shapes of this folder and for every spec of the same form; a line `echo ID >> exec.log`, by which other engines
are counted, is left out, since stages that `pipe` executed are counted from its event stream.
"""
import json
import re


def emit(spec):
    producers = {}
    for stage in spec["stages"]:
        for number, path in enumerate(stage["outputs"] + stage["dir_outputs"]):
            producers[path] = f"{stage['id']}.o{number}"
    # The shell that the other engines run the same lines with.
    lines = [f"pipeline: {spec['name']}", "shell: [/bin/sh, -c]", "stages:"]
    for stage in spec["stages"]:
        command = re.sub(r"^echo \S+ >> exec\.log; ", "", stage["cmd"])
        helper = ["mkmany.py"] if "mkmany.py" in command else []
        lines += [f"  {stage['id']}:", "    uses: command", f"    run: {json.dumps(command)}", "    in:"]
        for number, path in enumerate(stage["inputs"] + stage.get("dir_inputs", []) + helper):
            wire = producers.get(path) or "{path: %s}" % path
            lines.append(f"      i{number}: {wire}")
        lines.append("    out:")
        for number, path in enumerate(stage["outputs"]):
            lines.append(f"      o{number}: {path}")
        for number, path in enumerate(stage["dir_outputs"], len(stage["outputs"])):
            lines.append(f"      o{number}: {{path: {path}, type: dir}}")
    return {"pipe.yaml": "# the benchmark's project\n", "pipeline.yaml": "\n".join(lines) + "\n"}
