//! Clusters: findings connected through correlations, by union-find.

/// Findings of one scan, joined step by step.
pub struct Clusters {
    parent: Vec<usize>,
}

impl Clusters {
    /// `count` findings, each by itself.
    pub fn new(count: usize) -> Clusters {
        Clusters { parent: (0..count).collect() }
    }

    /// Puts the members of one correlation into one cluster.
    pub fn join(&mut self, members: &[usize]) {
        for pair in members.windows(2) {
            let (a, b) = (self.root(pair[0]), self.root(pair[1]));
            // The smaller index stays the root, so a cluster's name does not depend on the order of joins.
            self.parent[a.max(b)] = a.min(b);
        }
    }

    /// The first member of the cluster that `finding` is in.
    pub fn root(&mut self, finding: usize) -> usize {
        let mut root = finding;
        while self.parent[root] != root {
            self.parent[root] = self.parent[self.parent[root]];
            root = self.parent[root];
        }
        root
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_of_joins_make_one_cluster() {
        let mut clusters = Clusters::new(6);
        clusters.join(&[4, 5]);
        clusters.join(&[1, 4]);
        assert_eq!((0..6).map(|i| clusters.root(i)).collect::<Vec<_>>(), [0, 1, 2, 3, 1, 1]);
    }
}
