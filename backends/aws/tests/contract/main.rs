//! `pipe-aws` through its own lines: the suite that every backend program has to pass (on the test cloud, on SeaweedFS, and
//! for the Python program of the documentation), and what a store can do wrong.

mod faults;
mod instances;
mod jobs;
mod kills;
mod program;
mod runs;
mod secrets;
mod servers;
mod suite;
mod training;
mod words;
mod worker;

use servers::{Server, documented};

#[test]
fn the_suite_passes_on_the_test_cloud() {
    let Some(server) = Server::test_cloud() else { return };
    suite::all(&server.place);
}

#[test]
fn the_suite_passes_on_seaweedfs() {
    let Some(server) = Server::seaweed() else { return };
    suite::all(&server.place);
}

#[test]
fn the_suite_passes_for_the_documented_program() {
    let directory = tempfile::tempdir().unwrap();
    suite::all(&documented(directory.path()));
}
