//! Checks that measure: on simulated fleets that are large enough.

use contract::Type;
use produce::{Produce, ProduceParams};
use scan::{Finding, Report, Scans, Severity};
use verify::{CheckName, Status, VerificationReport};

use crate::workplace::{BEFORE, Workplace};

/// Simulated hosts without attacks, correlated.
fn fleet(hosts: u32, edit: impl Fn(usize, &mut Report)) -> Workplace {
    let workplace = Workplace::empty();
    let params = ProduceParams { hosts, scans_per_host: 1, attack_rate: 0.0, ..ProduceParams::default() };
    let params = serde_json::to_value(params).unwrap();
    workplace.run::<Produce>(params, &[], &["scans", "truth"], 2).unwrap();
    for (place, file) in Scans::open(&workplace.path("scans")).unwrap().iter().enumerate() {
        let mut report = Report::read(&file.path).unwrap();
        edit(place, &mut report);
        report.recount();
        report.write(&file.path).unwrap();
    }
    workplace.correlate();
    workplace.tell_truth(|_| false);
    workplace
}

fn figures(report: &VerificationReport, name: CheckName) -> (Status, String) {
    (report.check(name).unwrap().status, verify::summary::text(report))
}

#[test]
fn severities_outside_their_bands_trip_only_marginals() {
    let good = fleet(60, |_, _| {});
    let (result, report) = good.verify(&BEFORE);
    result.unwrap();
    let (status, text) = figures(&report, CheckName::Marginals);
    assert_eq!(status, Status::Passed, "{text}");
    // Kernel parameters that are as wanted are left out of every report, so only mismatches are left.
    let mut bad = fleet(60, |_, report| {
        let mismatch = |finding: &Finding| finding.severity > Severity::Info;
        for result in report.results.iter_mut().filter(|result| result.scanner == "kernel_params") {
            result.findings.retain(mismatch);
        }
    });
    bad.params.thresholds.marginals = 0.0;
    let report = bad.expect_only(&BEFORE, "marginals");
    assert!(report.check(CheckName::Marginals).unwrap().violations.iter().all(|v| v.place == "kernel_params"));
}

#[test]
fn chains_at_the_end_of_every_list_trip_only_leakage() {
    let workplace = fleet(120, |_, _| {});
    // The last process and the last socket of each scan are of a chain.
    let last = |report: &Report, scanner: &str| report.of_scanner(scanner).last().map(|finding| finding.id.clone());
    let mut chains = std::collections::BTreeSet::new();
    for file in &Scans::open(&workplace.path("scans")).unwrap() {
        let report = Report::read(&file.path).unwrap();
        for scanner in ["processes", "network", "suid_sgid"] {
            chains.extend(last(&report, scanner).map(|id| (file.host.clone(), scanner, id)));
        }
    }
    workplace.tell_truth(|finding| {
        let of = |key: &str| finding[key].as_str().unwrap().to_owned();
        chains.iter().any(|(host, scanner, id)| *host == of("host") && **scanner == of("scanner") && *id == of("id"))
    });
    let report = workplace.expect_only(&BEFORE, "leakage");
    let leakage = report.check(CheckName::Leakage).unwrap();
    assert!(leakage.figure.unwrap() > 0.9, "{:?}", leakage.measures);
    let parts: Vec<&str> = leakage.measures.iter().map(|measure| measure.part.as_str()).collect();
    assert_eq!(parts, ["all", "network", "processes", "suid_sgid"]);
}

#[test]
fn real_hosts_are_compared_unless_their_reports_fed_the_tables() {
    let workplace = fleet(20, |_, _| {});
    // Four of the simulated hosts stand in for real ones, whose processes have a group that no table holds.
    let writer = Scans::create(&workplace.path("real")).unwrap();
    for (place, file) in Scans::open(&workplace.path("scans")).unwrap().iter().take(4).enumerate() {
        let mut report = Report::read(&file.path).unwrap();
        let host = format!("real-{place}");
        report.meta.insert("hostname".to_owned(), host.as_str().into());
        for result in report.results.iter_mut().filter(|result| result.scanner == "processes") {
            let vendor = |finding: &mut Finding| _ = finding.metadata.insert("gid".to_owned(), "99999".to_owned());
            result.findings.iter_mut().for_each(vendor);
        }
        writer.write(&host, 0, &report).unwrap();
    }
    let inputs = [&BEFORE[..], &[("real", Type::Scans)]].concat();
    let params = serde_json::to_value(correlate::CorrelateParams::default()).unwrap();
    let both = [("scans", Type::Scans), ("real", Type::Scans)];
    workplace.run::<correlate::Correlate>(params, &both, &["findings", "correlations"], 2).unwrap();
    let mut workplace = workplace;
    let (result, report) = workplace.verify(&inputs);
    result.unwrap();
    let realism = report.check(CheckName::Realism).unwrap();
    let of = |part: &str| realism.measures.iter().find(|measure| measure.part == part).unwrap();
    let processes = of("processes");
    assert!(processes.value.unwrap() > 0.99 && realism.status == Status::Passed, "{:?}", realism.measures);
    assert!(processes.low.is_some() && processes.high.is_some() && processes.items >= 40);
    assert!(of("mac").note.contains("40 real findings are needed") && of("mac").value.is_none());
    // The same figure trips only this check where a threshold is chosen.
    workplace.params.thresholds.realism = 0.9;
    workplace.expect_only(&inputs, "realism");
    workplace.params.fed_tables = (0..4).map(|place| format!("real-{place}")).collect();
    let (result, report) = workplace.verify(&inputs);
    result.unwrap();
    let (status, text) = figures(&report, CheckName::Realism);
    assert_eq!(status, Status::NotMeasurable, "{text}");
}
