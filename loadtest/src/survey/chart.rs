//! The survey as a picture: one bar for each ratio, and a mark where its goal lies.

use std::fmt::Write;

use super::works::Goal;
use super::{Finding, shown};

/// Draws all ratios as an SVG. Bars towards the right are better where a goal is a least value,
/// and worse where it is a most; the colour says which goals are met.
pub(super) fn draw(findings: &[Finding]) -> String {
    let ratios: Vec<_> = findings.iter().filter(|finding| finding.work.is_ratio()).collect();
    let height = TOP + ROW * ratios.len() + BOTTOM;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n\
         <text x=\"16\" y=\"24\" font-weight=\"bold\">gigawamp against a bare byte relay, or \
         against itself; the mark is the goal</text>\n",
    );
    for (index, finding) in ratios.iter().enumerate() {
        row(&mut out, TOP + ROW * index, finding);
    }
    out.push_str("</svg>\n");
    out
}

fn row(out: &mut String, top: usize, finding: &Finding) {
    let bound = finding.work.goal.bound();
    let value = finding.median();
    // Everything is drawn as a share of twice the goal: goals stand below each other.
    let length = |value: f64| (value / (2.0 * bound)).clamp(0.0, 1.0) * BAR;
    let colour = if finding.is_met() { "#2f7d5b" } else { "#c4603a" };
    let sign = match finding.work.goal {
        Goal::AtLeast(_) => "≥",
        Goal::AtMost(_) => "≤",
    };
    let (middle, mark) = (top + 15, LEFT + length(bound));
    let _ = write!(
        out,
        "<text x=\"{}\" y=\"{middle}\" text-anchor=\"end\">{}</text>\n\
         <rect class=\"bar\" x=\"{LEFT}\" y=\"{}\" width=\"{:.1}\" height=\"14\" \
         fill=\"{colour}\"/>\n\
         <line x1=\"{mark:.1}\" x2=\"{mark:.1}\" y1=\"{top}\" y2=\"{}\" stroke=\"#222222\"/>\n\
         <text x=\"{}\" y=\"{middle}\">{} ({sign} {bound})</text>\n",
        LEFT - 10.0,
        finding.work.name,
        top + 4,
        length(value.unwrap_or(0.0)),
        top + 22,
        LEFT + BAR + 12.0,
        value.map_or("–".to_owned(), shown),
    );
}

const WIDTH: usize = 900;
const TOP: usize = 44;
const ROW: usize = 26;
const BOTTOM: usize = 12;
const LEFT: f64 = 400.0;
const BAR: f64 = 340.0;
