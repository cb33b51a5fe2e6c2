//! Kernel modules, addresses, ports and names that hosts draw from.

use serde::Deserialize;

use crate::tables::host::Pool;

/// Kernel modules by how common they are.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Modules {
    pub base: Vec<String>,
    pub extra: Vec<String>,
    pub out_of_tree: Vec<Vendor>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Vendor {
    /// Below `/lib/modules/<release>`.
    pub directory: String,
    pub names: Vec<String>,
}

/// Addresses, ports and names.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Networks {
    pub public: Vec<Pool>,
    pub lan: Vec<Pool>,
    /// Of the simulated hosts themselves.
    pub hosts: Pool,
    pub outbound_ports: Vec<u16>,
    /// Remote ports of datagrams.
    pub datagram_ports: Vec<u16>,
    /// Programs that open no connections.
    pub silent: Vec<String>,
    pub users: Vec<String>,
    pub words: Vec<String>,
}
