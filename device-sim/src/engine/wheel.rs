//! A timer wheel: many alarms, set and rung at the same small cost whatever their number.
//!
//! Alarms are never taken back. Whoever is woken looks whether there is anything to do, which costs less than
//! finding an old alarm. Pure: no clock, the caller says what time it is.

/// Slots of the wheel. An alarm further away than a turn waits for its turn in its slot.
const SLOTS: usize = 4096;
/// Slots that one word of the map of used slots stands for.
const WORD: usize = 64;

/// Alarms by the tick in which they ring. A tick is whatever the caller counts in.
#[derive(Debug)]
pub(crate) struct Wheel {
    slots: Vec<Vec<Alarm>>,
    /// A bit for each slot that has an alarm, so that a sleeper finds the next one without looking into all slots.
    used: [u64; SLOTS / WORD],
    /// Everything before this tick has rung.
    next: u64,
}

#[derive(Clone, Copy, Debug)]
struct Alarm {
    tick: u64,
    key: u32,
}

impl Default for Wheel {
    fn default() -> Self {
        Self { slots: vec![Vec::new(); SLOTS], used: [0; SLOTS / WORD], next: 0 }
    }
}

impl Wheel {
    /// Sets an alarm. One whose time has passed rings in the next tick. The result is when it will ring.
    pub(crate) fn set(&mut self, tick: u64, key: u32) -> u64 {
        let tick = tick.max(self.next);
        let slot = slot(tick);
        self.slots[slot].push(Alarm { tick, key });
        self.used[slot / WORD] |= 1 << (slot % WORD);
        tick
    }

    /// Takes out what rings up to and including a tick, in the order of the ticks, as tick and key.
    pub(crate) fn ring(&mut self, now: u64, rung: &mut Vec<(u64, u32)>) {
        if now < self.next {
            return;
        }
        // After a long sleep, a turn visits every slot once.
        let turn = (now - self.next).min(SLOTS as u64 - 1);
        let first = rung.len();
        for tick in now - turn..=now {
            let index = slot(tick);
            if self.used[index / WORD] & (1 << (index % WORD)) == 0 {
                continue;
            }
            let alarms = &mut self.slots[index];
            alarms.retain(|alarm| {
                let rings = alarm.tick <= now;
                if rings {
                    rung.push((alarm.tick, alarm.key));
                }
                !rings
            });
            if alarms.is_empty() {
                self.used[index / WORD] &= !(1 << (index % WORD));
            }
        }
        self.next = now + 1;
        rung[first..].sort_by_key(|(tick, _)| *tick);
    }

    /// The first tick that may have an alarm: never later than the next one rings, sometimes earlier. `None` when no
    /// alarm is set.
    pub(crate) fn next_tick(&self) -> Option<u64> {
        let start = slot(self.next);
        for step in 0..=SLOTS / WORD {
            let word = (start / WORD + step) % (SLOTS / WORD);
            let mut bits = self.used[word];
            // The first word is looked at twice: from the start on, and at the end up to the start.
            let below = (1_u64 << (start % WORD)) - 1;
            if step == 0 {
                bits &= !below;
            } else if step == SLOTS / WORD {
                bits &= below;
            }
            if bits != 0 {
                let found = word * WORD + bits.trailing_zeros() as usize;
                let distance = (found + SLOTS - start) % SLOTS;
                return Some(self.next + distance as u64);
            }
        }
        None
    }
}

fn slot(tick: u64) -> usize {
    // Less than the number of slots, so nothing is cut off.
    (tick % SLOTS as u64) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_alarm_of_a_later_turn_waits() {
        let mut wheel = Wheel::default();
        let later = 5 + SLOTS as u64;
        wheel.set(later, 1);
        let mut rung = Vec::new();
        wheel.ring(5, &mut rung);
        assert_eq!((rung.as_slice(), wheel.next_tick()), (&[][..], Some(later)));
        wheel.ring(later, &mut rung);
        assert_eq!((rung.as_slice(), wheel.next_tick()), (&[(later, 1)][..], None));
    }

    proptest! {
        #[test]
        fn every_alarm_rings_once_and_in_time(
            alarms in prop::collection::vec(0..20_000_u64, 0..60),
            steps in prop::collection::vec(1..6000_u64, 1..20),
        ) {
            let mut wheel = Wheel::default();
            let mut left: Vec<(u64, u32)> = Vec::new();
            for (key, tick) in (0..).zip(alarms) {
                left.push((wheel.set(tick, key), key));
            }
            let mut now = 0;
            for step in steps {
                if let Some(next) = wheel.next_tick() {
                    prop_assert!(left.iter().all(|(tick, _)| *tick >= next));
                    prop_assert!(next >= now);
                } else {
                    prop_assert!(left.is_empty());
                }
                now += step;
                let mut rung = Vec::new();
                wheel.ring(now, &mut rung);
                prop_assert!(rung.windows(2).all(|pair| pair[0].0 <= pair[1].0));
                let (mut due, later): (Vec<_>, Vec<_>) = left.into_iter().partition(|(tick, _)| *tick <= now);
                due.sort_unstable();
                rung.sort_unstable();
                prop_assert_eq!(rung, due);
                left = later;
            }
        }
    }
}
