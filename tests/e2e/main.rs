//! End to end: every test drives the built `pipe` in a project of its own and asserts on what a user sees.
//!
//! [`project`] is the harness. Tests that need the worker binaries say so through [`project::worker`]; `./check` builds them.

mod cache;
mod code_changed;
mod command_line;
mod composition;
mod conduct;
mod config;
mod data;
mod executor_ends;
mod executor_flags;
mod executor_gpus;
mod executor_order;
mod executor_retry;
mod executor_when;
mod failures;
mod faults_engine;
mod faults_stage;
mod full;
mod interrupts;
mod kinds;
mod matrix_names;
mod nested;
mod ordinary_users;
mod param_types;
mod places;
mod pressure;
mod project;
mod risk;
mod sandbox;
mod schemas;
mod snapshots;
mod stage_faults;
mod store_failpoints;
mod store_faults;
mod store_recognized;
mod store_structure;
mod store_upkeep;
mod terminal;
mod verbs_graph;
mod verbs_report;
mod verbs_runs;
mod verbs_shell;
mod verbs_start;
mod witness;
mod workers;
