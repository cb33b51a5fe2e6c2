//! The figures of checks that measure, beside a status.

use verify::{CheckName, Status};

use crate::fleet::{Fleet, REAL};

#[test]
fn real_hosts_are_compared_unless_their_reports_fed_the_tables() {
    let mut workplace = Fleet::simulated(20).with_real(4);
    let (result, report) = workplace.verify(&REAL);
    result.unwrap();
    let realism = report.check(CheckName::Realism).unwrap();
    assert_eq!(realism.status, Status::Passed);
    let of = |part: &str| realism.measures.iter().find(|measure| measure.part == part).unwrap();
    let processes = of("processes");
    let (low, value, high) = (processes.low.unwrap(), processes.value.unwrap(), processes.high.unwrap());
    assert!(low <= value && value <= high && processes.items >= 40, "{processes:?}");
    // Copies of simulated hosts are not told from them.
    assert!(low < 0.6, "{processes:?}");
    assert!(of("mac").note.contains("40 real findings are needed") && of("mac").value.is_none());
    workplace.params.fed_tables = (0..4).map(|place| format!("real-{place}")).collect();
    let (result, report) = workplace.verify(&REAL);
    result.unwrap();
    assert_eq!(report.check(CheckName::Realism).unwrap().status, Status::NotMeasurable);
}
