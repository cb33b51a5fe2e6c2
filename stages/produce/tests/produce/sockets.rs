//! In every scan sockets, processes and signs of compromise tell of the same things: pid, executable, container, inode.

use std::collections::{BTreeMap, BTreeSet};

use scan::{Finding, Report};
use serde_json::json;

use crate::run::Run;

/// Counts of the things that the assertions speak of, in reports of many hosts, so that no assertion holds because it has no case.
#[derive(Default)]
struct Seen {
    owned: u32,
    closed: u32,
    datagrams: u32,
    contained: u32,
    signs: u32,
}

#[test]
fn sockets_and_signs_agree_with_the_processes_of_every_scan() {
    let mut seen = Seen::default();
    for seed in [1, 2, 3] {
        // Nothing is missed, so that what is not listed is not there.
        let params =
            json!({"seed": seed, "hosts": 70, "scans_per_host": 3, "attack_rate": 0.6, "noise": {"missed": 0.0}});
        for (host, scan, report) in Run::new(params, 2).reports() {
            check(&report, &format!("seed {seed}, {host}, scan {scan}"), &mut seen);
        }
    }
    let Seen { owned, closed, datagrams, contained, signs } = seen;
    let all = [owned, closed, datagrams, contained, signs];
    assert!(all.iter().all(|count| *count > 50), "{all:?}");
}

#[test]
fn no_shell_or_editor_of_a_healthy_host_has_a_connection() {
    let params = json!({"hosts": 120, "attack_rate": 0.0, "noise": {"lookalikes": 0.0}});
    let mut talk = BTreeMap::<String, u32>::new();
    let mut run = BTreeSet::new();
    for (_, _, report) in Run::new(params, 2).reports() {
        run.extend(report.of_scanner("ioc").chain(report.of_scanner("processes")).map(|p| p.description.clone()));
        for socket in report.of_scanner("network").filter(|s| s.get("state") == Some("ESTABLISHED")) {
            *talk.entry(socket.get("exe").unwrap().to_owned()).or_default() += 1;
        }
    }
    assert!(run.contains("-bash") && run.contains("vim") && run.contains("/sbin/agetty"), "{run:?}");
    let silent =
        ["/usr/bin/bash", "/usr/bin/dash", "/usr/bin/vim.basic", "/usr/bin/less", "/usr/sbin/agetty", "/usr/sbin/cron"];
    let talking: Vec<_> = silent.into_iter().filter(|exe| talk.contains_key(*exe)).collect();
    assert_eq!(talking, Vec::<&str>::new());
    assert!(talk.len() > 20 && talk.contains_key("/usr/bin/curl"), "{talk:?}");
}

#[test]
fn an_attack_goes_through_one_server_mostly_and_nobody_outside_reaches_a_private_listener() {
    let params = json!({"hosts": 300, "attack_rate": 0.6, "noise": {"missed": 0.0, "lookalikes": 0.0}});
    let run = Run::new(params, 2);
    // One of several connections may have the id of a benign one, if both are closed.
    let ours: BTreeMap<_, _> = run
        .truth()
        .into_iter()
        .filter(|line| line.chain_id.is_some())
        .map(|line| ((line.host, line.scan, line.scanner, line.id), line.chain_id))
        .collect();
    let mut servers = BTreeMap::<String, BTreeMap<String, u32>>::new();
    let (mut inside, mut outside) = (0, 0);
    for (host, scan, report) in run.reports() {
        let private = |address: &str| {
            let address: std::net::IpAddr = address.parse().unwrap();
            matches!(address, std::net::IpAddr::V4(v4) if v4.is_private())
        };
        let listens: BTreeSet<(&str, &str)> = report
            .of_scanner("network")
            .filter(|s| s.get("state") == Some("LISTEN") && private(s.get("lip").unwrap()))
            .map(|s| (s.get("lip").unwrap(), s.get("lport").unwrap()))
            .collect();
        for socket in report.of_scanner("network").filter(|s| s.get("state") == Some("ESTABLISHED")) {
            let (remote, key) =
                (socket.get("rip").unwrap(), (host.clone(), scan, "network".to_owned(), socket.id.clone()));
            match ours.get(&key) {
                Some(Some(chain)) if !private(remote) => {
                    *servers.entry(chain.clone()).or_default().entry(remote.to_owned()).or_default() += 1;
                }
                None if listens.contains(&(socket.get("lip").unwrap(), socket.get("lport").unwrap())) => {
                    *(if private(remote) { &mut inside } else { &mut outside }) += 1;
                }
                _ => {}
            }
        }
    }
    let counts = servers.values().filter(|of| of.values().sum::<u32>() > 1);
    let (most, all) =
        counts.fold((0, 0), |(most, all), of| (most + of.values().max().unwrap(), all + of.values().sum::<u32>()));
    assert!(all > 100 && most * 10 > all * 8 && most < all, "{most} of {all}");
    assert!(inside > 100 && outside == 0, "{inside} from the private network, {outside} from elsewhere");
}

fn check(report: &Report, place: &str, seen: &mut Seen) {
    let mut processes = BTreeMap::<&str, &Finding>::new();
    for process in report.of_scanner("processes") {
        assert!(processes.insert(&process.id, process).is_none(), "{place}: pid {} occurs once", process.id);
        seen.contained += u32::from(process.get("container_id").is_some());
    }
    let mut executables = BTreeMap::<String, String>::new();
    let mut is_of = |pid: &str, exe: &str, what: &str| {
        assert!(processes.contains_key(pid), "{place}: {what} is of pid {pid}, which does not run");
        let earlier = executables.insert(pid.to_owned(), exe.to_owned());
        assert!(
            earlier.as_deref().is_none_or(|earlier| earlier == exe),
            "{place}: {what}: pid {pid} runs {earlier:?} and {exe}"
        );
    };
    let mut inodes = BTreeSet::new();
    for socket in report.of_scanner("network") {
        let id = &socket.id;
        let value = |key: &str| socket.get(key);
        let inode = value("inode").unwrap();
        let parts: Vec<&str> = id.split(':').collect();
        assert_eq!(parts[1..], [value("lport").unwrap(), inode], "{place} {id}");
        assert_eq!(parts[0].trim_end_matches('6'), value("protocol").unwrap(), "{place} {id}");
        let (pid, exe) = (value("pid"), value("exe"));
        if parts[0] == "udp" {
            assert_eq!((inode, pid, value("state")), ("0", None, None), "{place} {id}");
            seen.datagrams += 1;
        } else if value("state") == Some("TIME_WAIT") {
            assert_eq!((inode, pid, exe), ("0", None, None), "{place} {id}");
            seen.closed += 1;
        } else {
            assert!(inode != "0" && inodes.insert(inode), "{place} {id}: an inode is one socket's");
            is_of(pid.unwrap(), exe.unwrap(), id);
            let contained = |finding: &Finding| finding.get("container_id").map(str::to_owned);
            assert_eq!(contained(socket), contained(processes[pid.unwrap()]), "{place} {id}");
            seen.owned += 1;
        }
    }
    for sign in report.of_scanner("ioc") {
        let (exe, pid) = sign.id.rsplit_once(':').unwrap();
        assert_eq!(sign.get("pid"), Some(pid), "{place} {}", sign.id);
        is_of(pid, exe, &sign.id);
        let command: String = processes[pid].description.chars().take(127).collect();
        assert_eq!(sign.get("command"), Some(command.as_str()), "{place} {}", sign.id);
        seen.signs += 1;
    }
}
