//! Bytes as hexadecimal digits, in which hashes and signatures are written.

/// Writes two lower-case digits for each byte.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads exactly so many bytes from digits of either case.
#[must_use]
pub fn decode<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if digits.len() != 2 * N || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_exactly_the_digits_are_read() {
        assert_eq!(decode("00fFA0"), Some([0, 255, 160]));
        for wrong in ["", "00ff", "00ffa00", "00ffg0", "+0ffa0", "00f\u{e9}0"] {
            assert_eq!(decode::<3>(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn bytes_are_read_back(bytes in any::<[u8; 12]>()) {
            prop_assert_eq!(decode(&encode(&bytes)), Some(bytes));
        }
    }
}
