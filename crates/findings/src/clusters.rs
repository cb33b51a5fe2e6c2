//! Which things belong together, by union-find.

/// Clusters by union-find.
pub struct Clusters {
    parent: Vec<usize>,
}

impl Clusters {
    /// `count` findings, each by itself.
    pub fn new(count: usize) -> Clusters {
        Clusters { parent: (0..count).collect() }
    }

    /// Puts members into one cluster.
    pub fn join(&mut self, members: impl Iterator<Item = usize>) {
        let mut first = None;
        for member in members {
            let (a, b) = (self.root(*first.get_or_insert(member)), self.root(member));
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
        clusters.join([4, 5].into_iter());
        clusters.join([1, 4].into_iter());
        assert_eq!((0..6).map(|i| clusters.root(i)).collect::<Vec<_>>(), [0, 1, 2, 3, 1, 1]);
    }
}
