//! Randomness for `newuuid()` and `rand()`: drawn once for a message, so that a rule that is evaluated again draws the same.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rules::Randomness;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Draws of variables are counted apart from the others, as SET is evaluated for each template again.
const OF_VARIABLES: u64 = 1 << 63;

/// The draws of one message.
#[derive(Debug, Default)]
pub(super) struct Draws {
    seed: OnceLock<[u8; 32]>,
    rule: AtomicU64,
    others: AtomicU64,
    variables: AtomicU64,
}

impl Draws {
    /// From now on a rule draws, from its beginning. `rule` is its number among those that see the message.
    pub(super) fn begin(&self, rule: u64) {
        self.rule.store(rule, Relaxed);
        self.others.store(0, Relaxed);
    }

    /// A seed for the draws to come, mixed with what tells them apart.
    fn seed(&self, number: u64) -> [u8; 32] {
        let mut seed = *self.seed.get_or_init(rand::random);
        let parts = self.rule.load(Relaxed).to_le_bytes().into_iter().chain(number.to_le_bytes());
        seed.iter_mut().zip(parts).for_each(|(byte, part)| *byte ^= part);
        seed
    }
}

impl Randomness for Draws {
    fn bytes(&self) -> [u8; 16] {
        let of_variables = self.variables.load(Relaxed);
        let number = match of_variables & OF_VARIABLES {
            0 => self.others.fetch_add(1, Relaxed),
            _ => self.variables.fetch_add(1, Relaxed),
        };
        StdRng::from_seed(self.seed(number)).random()
    }

    fn for_variables(&self, begin: bool) {
        self.variables.store(if begin { OF_VARIABLES } else { 0 }, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rules::{CompileOptions, Message, Outcome, Statement};

    #[test]
    fn a_rule_draws_the_same_again_and_another_rule_something_else() {
        let draws = Draws::default();
        let rounds: Vec<[[u8; 16]; 2]> = [0, 1, 0, 1]
            .into_iter()
            .map(|rule| {
                draws.begin(rule);
                [draws.bytes(), draws.bytes()]
            })
            .collect();
        assert_eq!(rounds[..2], rounds[2..]);
        let mut different = rounds[..2].concat();
        different.sort_unstable();
        different.dedup();
        assert_eq!(different.len(), 4);
        let other = Draws::default();
        other.begin(0);
        assert_ne!(other.bytes(), rounds[0][0], "another message draws anew");
    }

    /// A variable is assigned once, and stays what it is in the templates of the actions.
    #[test]
    fn a_variable_holds_the_same_draw_everywhere() {
        let sql = "SET @id = newuuid() SELECT @id AS id, newuuid() AS other FROM 'a'";
        let statement = Statement::compile(sql, CompileOptions::default()).unwrap();
        let template = statement.template("${@id} ${newuuid()}").unwrap();
        let draws = Draws::default();
        draws.begin(0);
        let message = Message::new("a", b"{}", 0, &draws);
        let Ok(Outcome::Match(output)) = statement.evaluate(&message) else { panic!("there is no WHERE") };
        let json: serde_json::Value = serde_json::from_slice(output.bytes()).unwrap();
        let rendered = template.render(&message).unwrap();
        let (id, third) = rendered.split_once(' ').unwrap();
        assert_eq!(json["id"], id);
        assert!(json["other"] != id && third != id && json["other"] != third, "{json} {rendered}");
    }
}
