//! Sums of decimal text, exact: integers of 10^-18.

/// Decimals that can be told apart; no currency has more.
const SCALE: u32 = 18;

/// A sum, and with how many decimals it is written: as many as the most exact of its parts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Sum {
    atoms: i128,
    decimals: u32,
    /// Of how many parts.
    parts: u64,
}

impl Sum {
    /// One more. What is not decimal text counts as nothing: the engine makes no such amounts.
    pub(super) fn add(&mut self, value: &str) {
        let (atoms, decimals) = parse(value).unwrap_or_default();
        self.atoms = self.atoms.saturating_add(atoms);
        self.decimals = self.decimals.max(decimals);
        self.parts += 1;
    }

    /// One less.
    pub(super) fn remove(&mut self, value: &str) {
        let (atoms, _) = parse(value).unwrap_or_default();
        self.atoms = self.atoms.saturating_sub(atoms);
        self.parts = self.parts.saturating_sub(1);
    }

    pub(super) fn is_empty(self) -> bool {
        self.parts == 0
    }
}

impl std::fmt::Display for Sum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let unit = 10_i128.pow(SCALE);
        write!(f, "{}", self.atoms / unit)?;
        if self.decimals > 0 {
            let rest = (self.atoms % unit) / 10_i128.pow(SCALE - self.decimals);
            write!(f, ".{rest:0width$}", width = self.decimals as usize)?;
        }
        Ok(())
    }
}

fn parse(value: &str) -> Option<(i128, u32)> {
    let (whole, decimals) = value.split_once('.').unwrap_or((value, ""));
    let places = u32::try_from(decimals.len()).ok().filter(|places| *places <= SCALE)?;
    if whole.is_empty() {
        return None;
    }
    let digits = whole.bytes().chain(decimals.bytes()).map(char::from);
    let number = digits.map(|digit| digit.to_digit(10)).try_fold(0_i128, |number, digit| {
        number.checked_mul(10)?.checked_add(i128::from(digit?))
    })?;
    Some((number.checked_mul(10_i128.pow(SCALE - places))?, places))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(parts: &[&str], want: &str) {
        let mut sum = Sum::default();
        for part in parts {
            sum.add(part);
        }
        assert_eq!(sum.to_string(), want, "{parts:?}");
        for part in parts {
            sum.remove(part);
        }
        assert!(sum.is_empty() && sum.atoms == 0);
    }

    #[test]
    fn sums_are_exact() {
        check(&[], "0");
        check(&["0.1", "0.2"], "0.3");
        check(&["100", "250"], "350");
        check(&["10.00", "5.5"], "15.50");
        check(&["0.00000001", "20999999.99999999"], "21000000.00000000");
        check(&["0.000000000000000001", "1"], "1.000000000000000001");
        check(&["99999999999999999.99"; 100], "9999999999999999999.00");
    }

    #[test]
    fn what_is_no_amount_is_nothing() {
        for text in ["", ".", ".5", "-1", "1e3", "1,0", "0.0000000000000000001", "1.2.3"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
