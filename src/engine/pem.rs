//! PEM (RFC 7468): what stands between `-----BEGIN X-----` and `-----END X-----`. Text around the
//! blocks is let be, as every reader of PEM does.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Blocks in one text.
pub const BLOCKS_MAX: usize = 512;

/// One block.
#[derive(Debug, Eq, PartialEq)]
pub struct Block<'a> {
    /// `CERTIFICATE`, `PUBLIC KEY`.
    pub label: &'a str,
    /// What was written in base64.
    pub der: Vec<u8>,
}

/// The blocks of a text, at least one. `None`: there is none, one of them is broken, or there are
/// more than [`BLOCKS_MAX`].
pub fn blocks(text: &[u8]) -> Option<Vec<Block<'_>>> {
    let mut rest = std::str::from_utf8(text).ok()?;
    let mut blocks = Vec::new();
    while let Some((_, begun)) = rest.split_once("-----BEGIN ") {
        let (label, body) = begun.split_once("-----")?;
        let (body, after) = body.split_once("-----END ")?;
        rest = after.strip_prefix(label)?.strip_prefix("-----")?;
        let compact: String = body.split_ascii_whitespace().collect();
        let der = STANDARD.decode(compact).ok()?;
        if der.is_empty() || blocks.len() == BLOCKS_MAX {
            return None;
        }
        blocks.push(Block { label, der });
    }
    (!blocks.is_empty()).then_some(blocks)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Option<Vec<(String, Vec<u8>)>> {
        let blocks = blocks(text.as_bytes())?;
        Some(blocks.into_iter().map(|block| (block.label.to_owned(), block.der)).collect())
    }

    #[test]
    fn blocks_are_found_in_the_text_around_them() {
        let text = "subject=x\n-----BEGIN A-----\nAQI\n D\r\n-----END A-----\r\nand \
                    -----BEGIN B C-----BA==-----END B C-----\n";
        let found = [("A".to_owned(), vec![1, 2, 3]), ("B C".to_owned(), vec![4])];
        assert_eq!(read(text), Some(found.to_vec()));
    }

    #[test]
    fn a_broken_block_breaks_the_text() {
        let good = "-----BEGIN A-----AQID-----END A-----";
        let bad = [
            "",
            "<html>",
            "-----BEGIN A-----",
            "-----BEGIN A-----AQID",
            "-----BEGIN A-----AQID-----END B-----",
            "-----BEGIN A-----AQID-----END A----",
            "-----BEGIN A-----AQID-----BEGIN A-----AQID-----END A-----",
            "-----BEGIN A-----AQ=D-----END A-----",
            "-----BEGIN A-----AQI-----END A-----",
            "-----BEGIN A----------END A-----",
            "-----BEGIN A-----Proc-Type: 4,ENCRYPTED\n\nAQID-----END A-----",
        ];
        assert!(read(good).is_some());
        for text in bad {
            assert_eq!(read(text), None, "{text}");
            if text.contains("BEGIN") {
                assert_eq!(read(&format!("{good}{text}")), None, "{text}");
            }
        }
        assert_eq!(blocks(b"\xff-----BEGIN A-----AQID-----END A-----"), None);
    }

    #[test]
    fn the_number_of_blocks_is_bounded() {
        let many = |count: usize| "-----BEGIN A-----AQID-----END A-----".repeat(count);
        assert_eq!(read(&many(BLOCKS_MAX)).map(|blocks| blocks.len()), Some(BLOCKS_MAX));
        assert_eq!(read(&many(BLOCKS_MAX + 1)), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(
            text in "(-----|BEGIN |END |A|B|AQID|=|\n| |x){0,20}"
        ) {
            if let Some(found) = blocks(text.as_bytes()) {
                prop_assert!(!found.is_empty() && found.iter().all(|block| !block.der.is_empty()));
            }
        }
    }
}
