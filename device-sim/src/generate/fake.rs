//! Texts that look like the real thing and belong to nobody.

use std::fmt::Write;

use crate::random::Random;
use crate::scenario::Fake;

const MAKERS: &[&str] = &[
    "Alder & Finch",
    "Borealis Instruments",
    "Cobalt Works",
    "Delta Foundry",
    "Elmsworth",
    "Fjordline",
    "Granite Labs",
    "Helio Metering",
    "Ironbark",
    "Juniper Drives",
];
const FIRST_NAMES: &[&str] = &[
    "Ada", "Bilal", "Chiara", "Dmitri", "Emeka", "Freya", "Goran", "Hana", "Ines", "Jonas", "Kaito", "Leila",
    "Marta", "Nils", "Oya", "Priya", "Quentin", "Rosa", "Samir", "Tove",
];
const LAST_NAMES: &[&str] = &[
    "Abara",
    "Berg",
    "Costa",
    "Dvorak",
    "Eriksen",
    "Fontaine",
    "Greco",
    "Haddad",
    "Ivanova",
    "Jansen",
    "Kim",
    "Lindqvist",
    "Moreau",
    "Novak",
    "Okafor",
    "Petrov",
    "Rossi",
    "Sato",
    "Tanaka",
    "Weber",
];
const CITIES: &[&str] = &[
    "Aarhus",
    "Bilbao",
    "Bordeaux",
    "Brno",
    "Cork",
    "Fukuoka",
    "Gdansk",
    "Ghent",
    "Graz",
    "Izmir",
    "Leipzig",
    "Malmö",
    "Porto",
    "Pune",
    "Tampere",
    "Turin",
    "Utrecht",
    "Valparaíso",
    "Wellington",
    "Zürich",
];
const COUNTRIES: &[&str] = &[
    "AT", "BE", "CH", "CL", "CZ", "DE", "DK", "ES", "FI", "FR", "IE", "IN", "IT", "JP", "NL", "NZ", "PL",
    "PT", "SE", "TR",
];
const WORDS: &[&str] = &[
    "amber", "belt", "chain", "drum", "edge", "fan", "gear", "housing", "inlet", "joint", "kiln", "lever",
    "motor", "nozzle", "oven", "pump", "quench", "rotor", "sensor", "tank", "upper", "valve", "weld", "yoke",
];
/// Letters without those that are taken for digits.
const LETTERS: &[u8] = b"ABCDEFGHJKLMNPRSTUVWXYZ";
/// What a vehicle identification number may have.
const VEHICLE: &[u8] = b"0123456789ABCDEFGHJKLMNPRSTUVWXYZ";
/// Networks for documentation, RFC 5737.
const NETWORKS: &[&str] = &["192.0.2", "198.51.100", "203.0.113"];

/// Appends an invented text.
pub(super) fn write(fake: Fake, random: &mut Random, text: &mut String) {
    let mut number = |below: u64| random.next() % below;
    let written = match fake {
        Fake::SerialNumber => {
            write!(text, "SN-{:04X}-{:04X}-{:02}", number(65_536), number(65_536), number(100))
        }
        Fake::FirmwareVersion => write!(text, "{}.{}.{}", number(4) + 1, number(20), number(10)),
        Fake::Manufacturer => text.write_str(one_of(MAKERS, random)),
        Fake::Model => {
            let letters = [letter(random), letter(random)];
            write!(text, "{}{}-{}0", letters[0], letters[1], random.next() % 90 + 10)
        }
        Fake::MacAddress => {
            // The second bit of the first byte: locally administered.
            write!(
                text,
                "02:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}",
                number(256),
                number(256),
                number(256),
                number(256),
                number(256)
            )
        }
        Fake::Ipv4 => write!(text, "{}.{}", one_of(NETWORKS, random), random.next() % 254 + 1),
        Fake::Uuid => uuid(random, text),
        Fake::PersonName => write!(text, "{} {}", one_of(FIRST_NAMES, random), one_of(LAST_NAMES, random)),
        Fake::City => text.write_str(one_of(CITIES, random)),
        Fake::CountryCode => text.write_str(one_of(COUNTRIES, random)),
        Fake::LicencePlate => {
            let letters = [letter(random), letter(random), letter(random)];
            write!(text, "{}-{}{} {}", letters[0], letters[1], letters[2], random.next() % 9000 + 1000)
        }
        Fake::VehicleIdentification => {
            vehicle_identification(random, text);
            Ok(())
        }
        Fake::Word => text.write_str(one_of(WORDS, random)),
        Fake::Sentence => sentence(random, text),
    };
    written.expect("writing to a string cannot fail");
}

fn one_of(choices: &[&'static str], random: &mut Random) -> &'static str {
    choices[(random.next() % choices.len() as u64) as usize]
}

fn letter(random: &mut Random) -> char {
    char::from(LETTERS[(random.next() % LETTERS.len() as u64) as usize])
}

/// Version 4: random but for version and variant.
fn uuid(random: &mut Random, text: &mut String) -> std::fmt::Result {
    let (high, low) = (random.next(), random.next());
    let variant = low >> 48 & 0x3FFF | 0x8000;
    write!(
        text,
        "{:08x}-{:04x}-4{:03x}-{variant:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xFFFF,
        high & 0xFFF,
        low & 0xFFFF_FFFF_FFFF
    )
}

/// ISO 3779, with the check digit that North America wants at the ninth place.
fn vehicle_identification(random: &mut Random, text: &mut String) {
    let mut characters = [0; 17];
    characters.fill_with(|| VEHICLE[(random.next() % VEHICLE.len() as u64) as usize]);
    characters[8] = check_digit(&characters);
    text.extend(characters.map(char::from));
}

fn check_digit(characters: &[u8; 17]) -> u8 {
    const WEIGHTS: [u32; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    let value = |character: u8| match character {
        b'0'..=b'9' => u32::from(character - b'0'),
        b'A'..=b'H' => u32::from(character - b'A') + 1,
        b'J'..=b'R' => u32::from(character - b'J') + 1,
        _ => u32::from(character.saturating_sub(b'S')) + 2,
    };
    let sum: u32 = characters.iter().zip(WEIGHTS).map(|(character, weight)| value(*character) * weight).sum();
    b"0123456789X"[(sum % 11) as usize]
}

fn sentence(random: &mut Random, text: &mut String) -> std::fmt::Result {
    let words = random.next() % 5 + 3;
    for number in 0..words {
        if number > 0 {
            text.push(' ');
        }
        text.write_str(one_of(WORDS, random))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(fake: Fake) -> Vec<String> {
        let mut random = Random::new(7, 1);
        let mut one = || {
            let mut text = String::new();
            write(fake, &mut random, &mut text);
            text
        };
        (0..100).map(|_| one()).collect()
    }

    #[test]
    fn they_differ_and_stay_short() {
        for (name, fake) in Fake::ALL {
            let texts = some(*fake);
            assert!(texts.iter().all(|text| (1..=60).contains(&text.len())), "{name}: {texts:?}");
            assert!(texts.iter().any(|text| *text != texts[0]), "{name}");
            assert_eq!(texts, some(*fake), "{name} by seed");
        }
    }

    #[test]
    fn uuids_have_version_and_variant() {
        for text in some(Fake::Uuid) {
            assert_eq!(text.len(), 36, "{text}");
            assert!(text.as_bytes()[14] == b'4' && b"89ab".contains(&text.as_bytes()[19]), "{text}");
        }
    }

    #[test]
    fn the_check_digit_is_that_of_known_numbers() {
        for known in [b"11111111111111111", b"1M8GDM9AXKP042788"] {
            assert_eq!(check_digit(known), known[8]);
        }
        assert!(some(Fake::VehicleIdentification).iter().all(|text| text.len() == 17));
    }
}
