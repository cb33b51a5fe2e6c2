"""Simulated hosts that no model was trained on, and what their truth says of the newest scan."""
import json
import os
import re
from collections import defaultdict

COUNTS = {"processes": 50, "network": 30}  # as pipelines/full.yaml and finetune.yaml have them


def produce(worker, room, hosts, seed):
    """Simulates hosts of two scans each."""
    natural = worker.cards["produce"]["params"]["properties"]["counts"]["default"]
    return worker.run("produce", room, {}, {"hosts": hosts, "seed": seed, "counts": {**natural, **COUNTS}}, 2)


class Truth:
    """The findings of attacks, by host and scan."""

    def __init__(self, path):
        self.hosts, self.touched, self.chains = [], set(), defaultdict(set)
        with open(path) as file:
            for line in map(json.loads, file):
                host = line["host"]
                if not self.hosts or self.hosts[-1] != host:
                    self.hosts.append(host)
                if line["role"] == "chain":
                    self.touched.add(host)
                    if line["visible"]:
                        self.chains[host, line["scan"]].add((line["scanner"], line["id"]))
        self.hosts = list(dict.fromkeys(self.hosts))

    def attacked(self, host, scan):
        """Whether the scan shows findings of an attack."""
        return bool(self.chains.get((host, scan)))

    def clean(self, host):
        """Whether no attack ever reached the host."""
        return host not in self.touched


def reports(scans, host):
    """The reports of a host in the order of time."""
    directory = os.path.join(scans, host)
    return [os.path.join(directory, name) for name in sorted(os.listdir(directory))]


def subjects(document, chain):
    """The names by which an attack can be told: those of its findings that a correlation joins, as the check `summaries` of `verify` has
    it. None where no correlation joins one."""
    joined = {finding for one in document["correlations"] for finding in one["related_finding_ids"]}
    found, members = set(), 0
    for finding in document["enriched_findings"]:
        raw = finding["id"] if (finding["scanner"], finding["id"]) in chain else re.sub(r"#\d+$", "", finding["id"])
        if finding["id"] in joined and (finding["scanner"], raw) in chain:
            members += 1
            found.update(text for text in map(bare, texts(finding, raw)) if len(text) > 1)
    return found if members else None


def texts(finding, raw):
    get = lambda *keys: [finding["metadata"][key] for key in keys if finding["metadata"].get(key)]  # noqa: E731
    match finding["scanner"]:
        case "network":
            return get("exe")
        case "processes":
            return [*get("exe_path"), finding.get("description", "")]
        case "ioc":
            return [raw.rsplit(":", 1)[0], *get("command")]
        case "systemd_units":
            return get("unit")
        case "kernel_params":
            return [raw.rsplit("/", 1)[-1]]
        case "kernel_hardening":
            return [(get("path") or [raw])[0].rsplit("/", 1)[-1]]
    return [raw]


def bare(text):
    return text.removesuffix(" (deleted)")


def names_one(subjects, text):
    """Whether a text has one of the names, and not as a part of a longer word."""
    whole = lambda name: re.search(rf"(?<![^\W_]){re.escape(name)}(?![^\W_])", text)  # noqa: E731
    return any(map(whole, subjects))
