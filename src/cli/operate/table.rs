//! Columns for people.

use std::io::{self, Write};

/// Rows whose cells stand under each other.
pub(in crate::cli) struct Table {
    widths: Vec<usize>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(in crate::cli) fn new(head: &[&str]) -> Self {
        let mut table = Self { widths: vec![0; head.len()], rows: Vec::new() };
        table.row(head.iter().map(|&name| name.to_owned()).collect());
        table
    }

    pub(in crate::cli) fn row(&mut self, cells: Vec<String>) {
        for (width, cell) in self.widths.iter_mut().zip(&cells) {
            *width = (*width).max(cell.chars().count());
        }
        self.rows.push(cells);
    }

    /// The rows so far. Widths stay, so that what follows stands under it.
    pub(in crate::cli) fn print(&mut self, out: &mut dyn Write) -> io::Result<()> {
        for row in self.rows.drain(..) {
            let mut line = String::new();
            for (cell, &width) in row.iter().zip(&self.widths) {
                let pad = width.saturating_sub(cell.chars().count()) + 2;
                line.push_str(cell);
                line.extend(std::iter::repeat_n(' ', pad));
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn cells_stand_under_each_other_whatever_their_letters() {
        let mut table = Table::new(&["SEQ", "ORDER"]);
        table.row(vec!["1".into(), "заказ".into()]);
        table.row(vec!["1000".into(), "o".into()]);
        let mut out = Vec::new();
        table.print(&mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "SEQ   ORDER\n1     заказ\n1000  o\n");
    }
}
