//! What pictures share: colours for light and dark, and text that is safe in XML.

use crate::progress::sanitize::sanitize;

/// Colours by name: on light and on dark paper.
const COLOURS: [(&str, &str, &str); 10] = [
    ("paper", "#ffffff", "#0d1117"),
    ("ink", "#1f2328", "#e6edf3"),
    ("dim", "#656d76", "#8d96a0"),
    ("rule", "#d0d7de", "#30363d"),
    ("box", "#f6f8fa", "#161b22"),
    ("run", "#2f6feb", "#4493f8"),
    ("cached", "#1a7f37", "#3fb950"),
    ("waste", "#cf222e", "#f85149"),
    ("copy", "#8250df", "#a371f7"),
    ("mount", "#bf8700", "#d29922"),
];

const COMMON: &str = ".paper{fill:@paper}text{fill:@ink}.dim{fill:@dim}";
const FONTS: &str = "svg{font:12px system-ui,sans-serif}.title{font-size:16px;font-weight:600}\
                     .mono{font:12px ui-monospace,monospace}";

/// The beginning of a picture. `style` names colours as `@run`. They are written out twice rather than as variables,
/// which not every viewer knows.
pub fn open(width: f64, height: f64, title: &str, style: &str) -> String {
    let style = format!("{COMMON}{style}");
    let painted = |dark: bool| {
        COLOURS
            .iter()
            .fold(style.clone(), |style, (name, on_light, on_dark)| {
                style.replace(&format!("@{name}"), if dark { on_dark } else { on_light })
            })
    };
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" role=\"img\">\n<title>{}</title>\n<style>{FONTS}{}\
         @media(prefers-color-scheme:dark){{{}}}</style>\n<rect class=\"paper\" width=\"{width}\" \
         height=\"{height}\"/>\n",
        escape(title),
        painted(false),
        painted(true)
    )
}

/// Text as it stands in XML, with nothing in it that is not seen.
pub fn escape(text: &str) -> String {
    sanitize(text)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
