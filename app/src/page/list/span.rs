//! Which rows are in the page: the visible ones and some around them.
//!
//! Invariant: a span never reaches beyond the rows; it moves in steps, so that scrolling by a pixel
//! changes nothing.

use domain::report::EMBEDDED_ROWS;

/// Height of a row, in CSS pixels; the style's `--row`.
pub(super) const ROW_PX: usize = 32;
/// Rows kept on either side of the visible ones.
const AROUND: usize = 12;
/// Rows by which a span moves.
const STEP: usize = 8;

/// Rows that are in the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// The first.
    pub(super) first: usize,
    /// How many, if there are as many.
    pub(super) count: usize,
}

impl Span {
    /// What the server renders.
    pub(super) const START: Self = Self { first: 0, count: EMBEDDED_ROWS };

    /// The span for a scroll position and a height, in CSS pixels, of a list of `rows`.
    /// A list that fits into the server's page is in the page as a whole.
    pub(super) fn at(top: usize, height: usize, rows: usize) -> Self {
        if rows <= EMBEDDED_ROWS {
            return Self::START;
        }
        let visible = height.div_ceil(ROW_PX) + 1;
        let count = (visible + 2 * AROUND).next_multiple_of(STEP);
        let first = (top / ROW_PX).saturating_sub(AROUND) / STEP * STEP;
        Self { first: first.min(rows.saturating_sub(count)), count }
    }

    /// Heights in CSS pixels of what stands for the rows before and after, of `rows`.
    pub(super) fn spacers(self, rows: usize) -> (usize, usize) {
        let first = self.first.min(rows);
        let after = rows.saturating_sub(first + self.count);
        (first * ROW_PX, after * ROW_PX)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_is_visible_is_in_the_page(top in 0_usize..700_000, height in 0_usize..3_000, rows in 0_usize..20_000) {
            let most = (rows * ROW_PX).saturating_sub(height);
            let top = top.min(most);
            let span = Span::at(top, height, rows);
            let (first, last) = (top / ROW_PX, ((top + height).div_ceil(ROW_PX)).min(rows));
            prop_assert!(span.first <= first);
            prop_assert!(span.first + span.count >= last);
            let (before, after) = span.spacers(rows);
            let inside = span.count.min(rows - span.first.min(rows));
            prop_assert_eq!(before + inside * ROW_PX + after, rows * ROW_PX, "nothing jumps");
        }
    }

    #[test]
    fn a_short_list_is_whole_and_a_long_one_is_not() {
        assert_eq!(Span::at(0, 600, 100), Span::START);
        assert!(Span::at(0, 600, 20_000).count < 60);
        assert_eq!(Span::at(10, 600, 20_000), Span::at(40, 600, 20_000), "a pixel changes nothing");
    }
}
