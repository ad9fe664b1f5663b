//! Bytes as hexadecimal digits, in which hashes and signatures are written.

/// Writes two lower-case digits for each byte.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Reads exactly so many bytes from digits of either case.
#[must_use]
pub fn decode<const N: usize>(digits: &str) -> Option<[u8; N]> {
    decode_bytes(digits)?.try_into().ok()
}

/// Reads bytes from digits of either case.
#[must_use]
pub fn decode_bytes(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?)).collect()
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
