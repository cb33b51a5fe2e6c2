//! Reports that were damaged: an error or a valid report, never a panic.

use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;
use scan::Report;

static REAL: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pipelines/data/reports/debian12_scanner_v6.json");
    std::fs::read(path).unwrap()
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn damaged_bytes_give_an_error_or_a_report_that_reads_back(
        damage in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(b"\"{}[],:0-9e.nt\\ \x00\xff".to_vec())), 1..4),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let mut bytes = REAL.clone();
        for (place, byte) in &damage {
            let place = place.index(bytes.len());
            bytes[place] = *byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        match Report::parse(&bytes) {
            Err(error) => prop_assert!(error.to_string().starts_with("at "), "{error}"),
            Ok((report, _)) => {
                let mut written = Vec::new();
                report.write_to(&mut written).unwrap();
                prop_assert_eq!(Report::parse(&written).unwrap().0, report);
            }
        }
    }
}
