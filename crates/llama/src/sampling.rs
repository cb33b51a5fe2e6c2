//! Sampling: the next token drawn by the probabilities of a model. One row of logits in, one token out; nothing here is a tensor.
//!
//! The logits are divided by the temperature. Of the tokens, the `top_k` likeliest stay, and of these the fewest likeliest that together
//! reach the probability `top_p`; one of them is drawn. Meaning and order are those of transformers' TemperatureLogitsWarper,
//! TopKLogitsWarper and TopPLogitsWarper (tests/reference/check_sampling.py). Each prompt has a stream of random numbers of its own.

use std::num::NonZeroU32;

use draws::{Stream, mix};

/// How tokens are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// What logits are divided by, above 0. Below 1 likely tokens become likelier, above 1 less likely.
    pub temperature: f64,
    /// The likeliest tokens that may be drawn, with all that are as likely as the last of them; `None`: all.
    pub top_k: Option<NonZeroU32>,
    /// The probability that the tokens which may be drawn have together at least, above 0; `None`: all.
    pub top_p: Option<f64>,
}

/// A token that may be drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// The token.
    pub token: usize,
    /// Its probability among all that may be drawn.
    pub probability: f64,
}

impl Sampling {
    /// The tokens that may be drawn, in the order of their numbers. A logit of negative infinity, or none at all (NaN), is of a token
    /// that must not come.
    pub fn candidates(&self, logits: &[f32]) -> Vec<Candidate> {
        let best = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        // The likeliest has the weight 1, so that nothing overflows, however low the temperature is.
        let weight = |logit: f32| ((f64::from(logit) - f64::from(best)) / self.temperature).exp();
        let weights = logits.iter().enumerate().map(|(token, logit)| Candidate { token, probability: weight(*logit) });
        let mut kept: Vec<Candidate> = weights.filter(|candidate| candidate.probability > 0.0).collect();
        if let Some(top_k) = self.top_k {
            keep_likeliest(&mut kept, top_k.get() as usize);
        }
        if let Some(top_p) = self.top_p {
            keep_probable(&mut kept, top_p);
        }
        let total = total(&kept);
        kept.iter_mut().for_each(|candidate| candidate.probability /= total);
        kept
    }

    /// Draws a token, by one number of the stream; `None` where none may come.
    pub fn draw(&self, logits: &[f32], stream: &mut Stream) -> Option<usize> {
        let candidates = self.candidates(logits);
        let mut left = share(stream);
        for Candidate { token, probability } in &candidates {
            if left < *probability {
                return Some(*token);
            }
            left -= probability;
        }
        // Probabilities add up to 1 but for rounding.
        candidates.last().map(|last| last.token)
    }
}

/// Drops all that are less likely than the last of the `count` likeliest.
fn keep_likeliest(kept: &mut Vec<Candidate>, count: usize) {
    if count < kept.len() {
        let mut weights: Vec<f64> = kept.iter().map(|candidate| candidate.probability).collect();
        let (_, least, _) = weights.select_nth_unstable_by(count - 1, |a, b| b.total_cmp(a));
        let least = *least;
        kept.retain(|candidate| candidate.probability >= least);
    }
}

/// Drops the least likely, as long as all that are dropped have no more than 1 - `top_p` of the probability. One stays in any case.
fn keep_probable(kept: &mut Vec<Candidate>, top_p: f64) {
    let spare = (1.0 - top_p) * total(kept);
    // All that are so unlikely may go together, so these need not be sorted: of a large vocabulary almost all.
    let negligible = spare / kept.len() as f64;
    let (least, mut ranked): (Vec<_>, Vec<_>) =
        kept.iter().copied().partition(|candidate| candidate.probability <= negligible);
    // Of equal ones the later stays, as in transformers.
    ranked.sort_by(|a, b| a.probability.total_cmp(&b.probability));
    let mut dropped = total(&least);
    let goes = |candidate: &&Candidate| {
        dropped += candidate.probability;
        dropped <= spare
    };
    let others = ranked.len().saturating_sub(1);
    let going = ranked[..others].iter().take_while(goes).count();
    *kept = ranked.split_off(going);
    kept.sort_unstable_by_key(|candidate| candidate.token);
}

fn total(candidates: &[Candidate]) -> f64 {
    candidates.iter().map(|candidate| candidate.probability).sum()
}

/// A number from 0 to below 1, of 53 bits.
fn share(stream: &mut Stream) -> f64 {
    (stream.long() >> 11) as f64 / (1_u64 << 53) as f64
}

/// The draws of prompts.
pub(crate) struct Draws {
    sampling: Sampling,
    streams: Vec<Stream>,
}

impl Draws {
    /// A stream for each prompt. It depends on the seed and on the prompt's tokens and on nothing else, so neither its place nor its
    /// neighbours change its answer.
    pub(crate) fn new(sampling: Sampling, seed: u64, prompts: &[Vec<i64>]) -> Draws {
        let number = |prompt: &Vec<i64>| prompt.iter().fold(prompt.len() as u64, |hash, id| mix(hash ^ *id as u64));
        let streams = prompts.iter().map(|prompt| Stream::seeded(seed).numbered(number(prompt))).collect();
        Draws { sampling, streams }
    }

    /// The next token of the prompt at this place; `None` where none may come.
    pub(crate) fn draw(&mut self, prompt: usize, logits: &[f32]) -> Option<usize> {
        self.sampling.draw(logits, &mut self.streams[prompt])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampling(temperature: f64, top_k: Option<u32>, top_p: Option<f64>) -> Sampling {
        Sampling { temperature, top_k: top_k.and_then(NonZeroU32::new), top_p }
    }

    /// Tokens 0 to 3 with the probabilities 0.1, 0.2, 0.3 and 0.4.
    fn tenths() -> Vec<f32> {
        [1.0_f32, 2.0, 3.0, 4.0].map(f32::ln).to_vec()
    }

    #[track_caller]
    fn check(sampling: Sampling, logits: &[f32], expected: &[(usize, f64)]) {
        let found = sampling.candidates(logits);
        assert_eq!(
            found.iter().map(|one| one.token).collect::<Vec<_>>(),
            expected.iter().map(|one| one.0).collect::<Vec<_>>()
        );
        for (found, (_, probability)) in found.iter().zip(expected) {
            assert!((found.probability - probability).abs() < 1e-7, "{found:?}, expected {probability}");
        }
    }

    #[test]
    fn temperature_top_k_and_top_p_leave_what_is_computed_by_hand() {
        let logits = tenths();
        check(sampling(1.0, None, None), &logits, &[(0, 0.1), (1, 0.2), (2, 0.3), (3, 0.4)]);
        // Half the temperature squares the weights: 1, 4, 9 and 16 of 30.
        check(
            sampling(0.5, None, None),
            &logits,
            &[(0, 1.0 / 30.0), (1, 4.0 / 30.0), (2, 9.0 / 30.0), (3, 16.0 / 30.0)],
        );
        check(sampling(1.0, Some(2), None), &logits, &[(2, 3.0 / 7.0), (3, 4.0 / 7.0)]);
        check(sampling(1.0, Some(9), None), &logits, &[(0, 0.1), (1, 0.2), (2, 0.3), (3, 0.4)]);
        // 0.4 is too little and 0.7 is not, so the third goes.
        check(sampling(1.0, None, Some(0.69)), &logits, &[(2, 3.0 / 7.0), (3, 4.0 / 7.0)]);
        check(sampling(1.0, None, Some(0.71)), &logits, &[(1, 2.0 / 9.0), (2, 3.0 / 9.0), (3, 4.0 / 9.0)]);
        check(sampling(1.0, None, Some(1.0)), &logits, &[(0, 0.1), (1, 0.2), (2, 0.3), (3, 0.4)]);
        check(sampling(1.0, None, Some(1e-9)), &logits, &[(3, 1.0)]);
        // top_p counts what top_k has left: of 3/9, 4/9 and 2/9, not of 0.3, 0.4 and 0.2.
        check(sampling(1.0, Some(3), Some(0.77)), &logits, &[(2, 3.0 / 7.0), (3, 4.0 / 7.0)]);
    }

    #[test]
    fn equal_tokens_stay_together_under_top_k_and_the_later_ones_under_top_p() {
        let equal = [0.0, 1.0, 1.0, 1.0];
        check(sampling(1.0, Some(1), None), &equal, &[(1, 1.0 / 3.0), (2, 1.0 / 3.0), (3, 1.0 / 3.0)]);
        check(sampling(1.0, Some(3), Some(0.5)), &equal, &[(2, 0.5), (3, 0.5)]);
    }

    #[test]
    fn a_token_that_must_not_come_never_does() {
        let masked = [f32::NEG_INFINITY, 0.0, f32::NEG_INFINITY, f32::NAN];
        check(sampling(2.0, Some(3), Some(0.9)), &masked, &[(1, 1.0)]);
        for none in [&[][..], &[f32::NEG_INFINITY; 3], &[f32::NAN; 3]] {
            assert_eq!(sampling(1.0, Some(2), Some(0.5)).draw(none, &mut Stream::seeded(1)), None, "{none:?}");
        }
    }

    #[test]
    fn the_lowest_temperature_and_a_top_k_of_one_take_the_likeliest() {
        let logits = [3.0, -80.0, 88.5, 88.4];
        for one in [sampling(f64::MIN_POSITIVE, None, None), sampling(5e-324, None, None), sampling(1e3, Some(1), None)]
        {
            check(one, &logits, &[(2, 1.0)]);
        }
    }

    /// As transformers has it, step by step.
    fn plain(sampling: Sampling, logits: &[f32]) -> Vec<usize> {
        let scores: Vec<f64> = logits.iter().map(|logit| f64::from(*logit) / sampling.temperature).collect();
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
        if let Some(top_k) = sampling.top_k {
            let least = scores[order[scores.len().saturating_sub(top_k.get() as usize)]];
            order.retain(|token| scores[*token] >= least);
        }
        if let Some(top_p) = sampling.top_p {
            let weights: Vec<f64> = order.iter().map(|token| scores[*token].exp()).collect();
            let total: f64 = weights.iter().sum();
            let mut sum = 0.0;
            let mut places = 0..weights.len();
            let stays = places.position(|place| {
                sum += weights[place] / total;
                sum > 1.0 - top_p || place + 1 == weights.len()
            });
            order.drain(..stays.unwrap_or(0));
        }
        order.sort_unstable();
        order
    }

    #[test]
    fn what_stays_of_random_logits_is_what_the_plain_steps_leave() {
        let mut random = Stream::seeded(11);
        for round in 0..400 {
            let logits: Vec<f32> = (0..1 + round).map(|_| 3.0 * random.normal_pair().0 as f32).collect();
            let temperature = 0.2 + 2.0 * share(&mut random);
            let top_k = random.chance(500).then(|| 1 + random.below(60));
            let top_p = random.chance(700).then(|| 1.0 - share(&mut random));
            let sampling = sampling(temperature, top_k, top_p);
            let found: Vec<usize> = sampling.candidates(&logits).iter().map(|one| one.token).collect();
            assert_eq!(found, plain(sampling, &logits), "{sampling:?} of {} tokens", logits.len());
        }
    }

    #[test]
    fn tokens_are_drawn_as_often_as_their_probabilities_say() {
        let logits = tenths();
        // 99.9 % points of the chi-square distribution with 3, 3 and 1 degrees of freedom.
        for (sampling, expected, point) in [
            (sampling(1.0, None, None), [0.1, 0.2, 0.3, 0.4], 16.27),
            (sampling(0.5, None, None), [1.0 / 30.0, 4.0 / 30.0, 9.0 / 30.0, 16.0 / 30.0], 16.27),
            (sampling(1.0, None, Some(0.69)), [0.0, 0.0, 3.0 / 7.0, 4.0 / 7.0], 10.83),
        ] {
            let mut stream = Stream::seeded(42);
            let mut counts = [0.0; 4];
            for _ in 0..20_000 {
                counts[sampling.draw(&logits, &mut stream).unwrap()] += 1.0;
            }
            let term = |(count, share): (&f64, &f64)| (count - 20_000.0 * share).powi(2) / (20_000.0 * share);
            let terms = counts.iter().zip(&expected).filter(|(_, share)| **share > 0.0).map(term);
            let statistic: f64 = terms.sum();
            assert!(statistic < point, "{sampling:?}: {counts:?}, chi-square {statistic}");
            assert_eq!(
                counts.iter().zip(&expected).filter(|(count, share)| **share == 0.0 && **count > 0.0).count(),
                0
            );
        }
    }

    #[test]
    fn a_prompt_has_its_own_draws_wherever_it_stands() {
        let (logits, sampling) = (vec![0.0_f32; 1000], sampling(1.0, None, None));
        let drawn = |seed: u64, prompts: &[Vec<i64>], place: usize| {
            let mut draws = Draws::new(sampling, seed, prompts);
            (0..8).map(|_| draws.draw(place, &logits)).collect::<Vec<_>>()
        };
        let prompts = [vec![5, 6], vec![6, 5], vec![5, 6, 0], vec![0], vec![0, 0]];
        let all: Vec<_> = (0..prompts.len()).map(|place| drawn(1, &prompts, place)).collect();
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), prompts.len());
        assert_eq!(drawn(1, &prompts[1..2], 0), all[1]);
        assert_ne!(drawn(2, &prompts[1..2], 0), all[1]);
    }
}
