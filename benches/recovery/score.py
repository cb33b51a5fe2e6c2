"""Compares the clusters of `correlate` with the truth of `produce`.

A cluster is of one scan of one host, so a chain is compared scan by scan: a sighting is what one scan of one host shows of it. A
sighting is observable where at least two scanners show it. It is recovered when one suspected cluster holds at least 60 % of its
visible findings, at least half of that cluster is of the chain, and the cluster bears a technique of the chain's steps, in its
correlations or its findings, or is suspected of one. A chain is observable on a host where one of its sightings there is, and recovered where one of these
is recovered. A suspected cluster is true when at least half of its findings are of one chain. Precision is the share of suspected
clusters that are true, recall that of observable chains (or sightings) that are recovered.
"""
import json
from collections import Counter, defaultdict

HELD, PURE = 0.6, 0.5
MIN_SCANNERS = 2


class Clusters:
    """Findings of one cluster by (scanner, id), with the techniques of its correlations."""

    def __init__(self):
        self.members = defaultdict(Counter)
        self.techniques = defaultdict(set)
        self.by_scan = defaultdict(list)

    def of_scan(self, host, scan):
        if not self.by_scan:
            for key in self.members:
                self.by_scan[key[:2]].append(key)
        return self.by_scan.get((host, scan), ())

    def add(self, cluster, finding, techniques=()):
        self.members[cluster][finding] += 1
        self.techniques[cluster].update(techniques)


class Score:
    """Chains, or sightings, of some templates."""

    def __init__(self):
        # Of each whether it is recovered, where it is observable.
        self.recovered = {}
        self.unobservable = set()

    def note(self, unit, observable, recovered):
        if observable:
            self.recovered[unit] = self.recovered.get(unit, False) or recovered
        else:
            self.unobservable.add(unit)

    def counts(self):
        """Observable, recovered, unobservable."""
        return len(self.recovered), sum(self.recovered.values()), len(self.unobservable - self.recovered.keys())


def lines(path, holding=""):
    with open(path) as file:
        for line in file:
            if holding in line:
                yield json.loads(line)


def sightings(truth):
    """Visible findings of each chain by (host, scan, chain): template, findings, techniques. And the hosts that have a chain."""
    found, attacked = {}, set()
    for line in lines(truth, '"role":"chain"'):
        if line["role"] != "chain":
            continue
        attacked.add(line["host"])
        if line["visible"]:
            key = (line["host"], line["scan"], line["chain_id"])
            template, findings, techniques = found.setdefault(key, (line["template"], Counter(), set()))
            findings[line["scanner"], line["id"]] += 1
            techniques.add(line["technique"])
    return found, attacked


def suspected(findings, correlations):
    """The clusters that `correlate` calls attacks."""
    clusters = Clusters()
    for line in lines(findings, '"suspected":true'):
        if line.get("suspected"):
            clusters.add((line["host"], line["scan"], line["cluster_id"]), (line["scanner"], line["id"]),
                         line["techniques"] + line.get("suspected_techniques", []))
    for line in lines(correlations):
        key = (line["host"], line["scan"], line.get("cluster_id"))
        if key in clusters.members:
            clusters.techniques[key].update(line["techniques"])
    return clusters


def pid_joined(findings):
    """The baseline: findings of one pid are one cluster, called an attack where an ioc is among them. Its techniques are
    those of its findings."""
    by_pid, alarming = Clusters(), set()
    for line in lines(findings):
        pid = line["id"] if line["scanner"] == "processes" else line["metadata"].get("pid")
        if pid:
            key = (line["host"], line["scan"], pid)
            by_pid.add(key, (line["scanner"], line["id"]), line["techniques"])
            if line["scanner"] == "ioc" and line["severity"] in ("high", "critical"):
                alarming.add(key)
    for key in [key for key in by_pid.members if key not in alarming]:
        del by_pid.members[key]
    return by_pid


def techniques(found, clusters):
    """How many techniques each cluster bears that is mostly of one chain, and whether one of them would be of a chain of another
    template as well: what naming many is worth by chance."""
    sizes, hits = [], []
    ordered = sorted(found.items())
    for place, ((host, scan, _), (template, findings, _)) in enumerate(ordered):
        later = (own for _, (name, _, own) in ordered[place:] + ordered[:place] if name != template)
        other = next(later, set())
        for key in clusters.of_scan(host, scan):
            members = clusters.members[key]
            if (members & findings).total() >= PURE * members.total():
                sizes.append(len(clusters.techniques[key]))
                hits.append(bool(other & clusters.techniques[key]))
    return sizes, hits


def compare(found, attacked, clusters):
    """Scores of chains and of sightings by template, and counts of suspected clusters."""
    chains, scans, true = defaultdict(Score), defaultdict(Score), set()
    for (host, scan, chain), (template, findings, techniques) in found.items():
        recovered = False
        for key in clusters.of_scan(host, scan):
            members = clusters.members[key]
            held = (members & findings).total()
            pure = held >= PURE * members.total()
            if pure:
                true.add(key)
            recovered |= pure and held >= HELD * findings.total() and bool(techniques & clusters.techniques[key])
        observable = len({scanner for scanner, _ in findings}) >= MIN_SCANNERS
        chains[template].note((host, chain), observable, recovered)
        scans[template].note((host, scan, chain), observable, recovered)
    clean = sum(key[0] not in attacked for key in clusters.members)
    return chains, scans, {"suspected": len(clusters.members), "true": len(true), "on_clean_hosts": clean}
