//! Simulated hosts without attacks, some of which may stand in for real ones.

use contract::Type;
use correlate::{Correlate, CorrelateParams};
use produce::{Produce, ProduceParams};
use scan::{Report, Scans};

use crate::workplace::{BEFORE, Workplace};

/// The gate before `transform` with real hosts.
pub(crate) const REAL: [(&str, Type); 5] = [BEFORE[0], BEFORE[1], BEFORE[2], BEFORE[3], ("real", Type::SCANS)];

/// A workplace whose scans are simulated.
pub(crate) struct Fleet {
    /// Scans, what was correlated, and a truth to which all is harmless.
    pub workplace: Workplace,
}

impl Fleet {
    /// Hosts with a scan each.
    pub(crate) fn simulated(hosts: u32) -> Fleet {
        let workplace = Workplace::empty();
        let params = ProduceParams { hosts, scans_per_host: 1, attack_rate: 0.0, ..ProduceParams::default() };
        let params = serde_json::to_value(params).unwrap();
        workplace.run::<Produce>(params, &[], &["scans", "truth"], 2).unwrap();
        workplace.correlate();
        workplace.tell_truth(|_| false);
        Fleet { workplace }
    }

    /// Copies of the first hosts lie as `real-N` under `real`.
    pub(crate) fn with_real(self, hosts: usize) -> Workplace {
        let workplace = self.workplace;
        let writer = Scans::create(&workplace.path("real")).unwrap();
        for (place, file) in Scans::open(&workplace.path("scans")).unwrap().iter().take(hosts).enumerate() {
            let mut report = Report::read(&file.path).unwrap();
            let host = format!("real-{place}");
            report.meta.insert("hostname".to_owned(), host.as_str().into());
            writer.write(&host, 0, &report).unwrap();
        }
        workplace.correlate_with_real();
        workplace
    }
}

impl Workplace {
    /// Correlates the scans with those of real hosts.
    pub(crate) fn correlate_with_real(&self) {
        let params = serde_json::to_value(CorrelateParams::default()).unwrap();
        let both = [("scans", Type::SCANS), ("real", Type::SCANS)];
        self.run::<Correlate>(params, &both, &["findings", "correlations"], 2).unwrap();
    }

    /// Changes every report of an artifact.
    pub(crate) fn edit_reports(&self, artifact: &str, change: impl Fn(&mut Report)) {
        for file in &Scans::open(&self.path(artifact)).unwrap() {
            let mut report = Report::read(&file.path).unwrap();
            change(&mut report);
            report.recount();
            report.write(&file.path).unwrap();
        }
    }
}
