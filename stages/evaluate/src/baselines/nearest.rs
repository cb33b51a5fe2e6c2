//! The training prompt that is most like a prompt: by the Jaccard similarity of their sets of 4-grams of characters.

use std::collections::HashMap;

use super::training::Trained;

/// Characters of a gram.
const GRAM: usize = 4;

/// An index of prompts by their grams.
#[derive(Debug)]
pub struct Nearest {
    /// The prompts that have a gram, ascending.
    places: HashMap<[char; GRAM], Vec<u32>>,
    /// How many grams each prompt has.
    sizes: Vec<usize>,
}

impl Nearest {
    /// The index of `trained`.
    pub fn of(trained: &[Trained]) -> Nearest {
        let mut places: HashMap<[char; GRAM], Vec<u32>> = HashMap::new();
        let mut sizes = Vec::with_capacity(trained.len());
        for (place, trained) in trained.iter().enumerate() {
            let grams = grams(&trained.prompt);
            sizes.push(grams.len());
            grams.into_iter().for_each(|gram| places.entry(gram).or_default().push(place as u32));
        }
        Nearest { places, sizes }
    }

    /// The place of the prompt that is most like `prompt`; the first of equals. None where none has a gram of it.
    pub fn place(&self, prompt: &str) -> Option<usize> {
        let grams = grams(prompt);
        let mut common = vec![0_usize; self.sizes.len()];
        for place in grams.iter().filter_map(|gram| self.places.get(gram)).flatten() {
            common[*place as usize] += 1;
        }
        let similarity = |place: usize| common[place] as f64 / (grams.len() + self.sizes[place] - common[place]) as f64;
        let found = (0..common.len()).filter(|place| common[*place] > 0);
        // `max_by` takes the last of equals.
        found.rev().max_by(|a, b| similarity(*a).total_cmp(&similarity(*b)))
    }
}

/// The set of grams of a text.
fn grams(text: &str) -> Vec<[char; GRAM]> {
    let chars: Vec<char> = text.chars().collect();
    let mut grams: Vec<[char; GRAM]> = chars.array_windows::<GRAM>().copied().collect();
    grams.sort_unstable();
    grams.dedup();
    grams
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn trained(prompt: &str) -> Trained {
        Trained { prompt: prompt.to_owned(), text: String::new(), json: None }
    }

    #[test]
    fn the_nearest_is_that_of_a_plain_search() {
        let texts = [
            "tcp LISTEN 22 by sshd",
            "tcp LISTEN 80 by nginx",
            "udp port 53 by named",
            "tcp LISTEN 22 by sshd on host",
        ];
        let nearest = Nearest::of(&texts.map(trained));
        let set =
            |text: &str| text.chars().collect::<Vec<_>>().windows(4).map(<[char]>::to_vec).collect::<BTreeSet<_>>();
        for prompt in
            ["tcp LISTEN 2222 by sshd", "udp port 123 by chronyd", "tcp LISTEN 22 by sshd on hosts", "tcp LISTEN 22"]
        {
            let jaccard = |text: &str| {
                let (a, b) = (set(prompt), set(text));
                a.intersection(&b).count() as f64 / a.union(&b).count() as f64
            };
            let best = texts.map(jaccard).into_iter().fold(0.0, f64::max);
            assert_eq!(jaccard(texts[nearest.place(prompt).unwrap()]), best, "{prompt}");
        }
        assert_eq!(nearest.place("zzzzzz"), None);
        assert_eq!(nearest.place("ab"), None);
    }
}
