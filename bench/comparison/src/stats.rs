//! Medians and spreads.

use serde::Serialize;

/// Several values of one thing: the middle, and how far they lie apart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// None of none, or where a value is no number.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        if sorted.iter().any(|value| !value.is_finite()) {
            return None;
        }
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 {
            sorted[middle]
        } else {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        };
        Some(Self { median, min, max })
    }

    /// The distance of the extremes in relation to the median.
    pub(crate) fn width(&self) -> f64 {
        if self.median > 0.0 { (self.max - self.min) / self.median } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(values: &[f64], expected: Option<(f64, f64, f64)>) {
        let spread = Spread::of(values.iter().copied());
        assert_eq!(spread.map(|s| (s.median, s.min, s.max)), expected);
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_two_in_the_middle() {
        check(&[], None);
        check(&[3.0], Some((3.0, 3.0, 3.0)));
        check(&[5.0, 1.0, 3.0], Some((3.0, 1.0, 5.0)));
        check(&[5.0, 1.0, 3.0, 4.0], Some((3.5, 1.0, 5.0)));
        check(&[1.0, f64::NAN], None);
    }

    #[test]
    fn the_width_is_in_relation_to_the_median() {
        let width = |values: &[f64]| Spread::of(values.iter().copied()).unwrap().width();
        assert_eq!(width(&[9.0, 10.0, 12.0]), 0.3);
        assert_eq!(width(&[0.0, 0.0]), 0.0);
    }
}
