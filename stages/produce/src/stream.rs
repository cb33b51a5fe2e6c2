//! Random streams: ChaCha8, keyed by seed, purpose and host, positioned by scan or finding.
//!
//! A draw depends on its place alone, never on what was drawn elsewhere or on which thread, so every worker count gives the
//! same bytes.

use draws::Stream;

/// The purpose of a stream. Two purposes never share a key, so adding draws to one leaves the others alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Host,
    Clock,
    Daemon,
    Container,
    Casual,
    Socket,
    File,
    Kernel,
    Story,
    Trace,
    Report,
    Mode,
    Unit,
    Network,
    Mount,
    Firmware,
    Audit,
    Package,
    Pattern,
    Execution,
}

/// The streams of one purpose on one host.
#[derive(Clone)]
pub(crate) struct Streams {
    key: [u8; 32],
}

impl Streams {
    pub(crate) fn new(seed: u64, purpose: Purpose, host: u32) -> Streams {
        let mut material = [0u8; 13];
        material[..8].copy_from_slice(&seed.to_le_bytes());
        material[8] = purpose as u8;
        material[9..].copy_from_slice(&host.to_le_bytes());
        Streams { key: blake3::derive_key("pipe 2026-11-22 produce random stream v1", &material) }
    }

    /// The stream at a position.
    pub(crate) fn at(&self, position: u64) -> Stream {
        Stream::keyed(self.key).numbered(position)
    }

    /// The stream at a position of two parts.
    pub(crate) fn at2(&self, high: u32, low: u32) -> Stream {
        self.at((u64::from(high) << 32) | u64::from(low))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_depends_on_its_place_alone() {
        let streams = Streams::new(7, Purpose::Host, 3);
        let first = streams.at2(1, 2).word();
        streams.at2(1, 3).word();
        assert_eq!(streams.at2(1, 2).word(), first);
        let others = [
            Streams::new(8, Purpose::Host, 3).at2(1, 2).word(),
            Streams::new(7, Purpose::Clock, 3).at2(1, 2).word(),
            Streams::new(7, Purpose::Host, 4).at2(1, 2).word(),
            streams.at2(2, 1).word(),
        ];
        assert!(!others.contains(&first));
    }
}
