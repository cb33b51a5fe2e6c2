//! Escaping and tables.

/// `text` with what HTML would read as markup replaced.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            _ => out.push(c),
        }
    }
    out
}

/// A table whose first column names its rows. Cells are markup, the caption and the head are text.
pub(super) struct Table {
    caption: String,
    head: Vec<String>,
    rows: Vec<(String, Vec<String>)>,
}

impl Table {
    /// An empty table; `head` names the columns, the first being that of the rows' names.
    pub(super) fn new(caption: &str, head: &[&str]) -> Table {
        Table {
            caption: caption.to_owned(),
            head: head.iter().map(|&text| text.to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub(super) fn row(&mut self, name: &str, cells: impl IntoIterator<Item = String>) {
        self.rows.push((name.to_owned(), cells.into_iter().collect()));
    }

    /// Its markup.
    pub(super) fn markup(&self) -> String {
        let head: String = self.head.iter().map(|text| format!("<th scope=\"col\">{}</th>", escape(text))).collect();
        let row = |(name, cells): &(String, Vec<String>)| {
            let cells: String = cells.iter().map(|cell| format!("<td>{cell}</td>")).collect();
            format!("<tr><th scope=\"row\">{}</th>{cells}</tr>\n", escape(name))
        };
        let rows: String = self.rows.iter().map(row).collect();
        let caption = escape(&self.caption);
        format!(
            "<div class=\"scroll\"><table><caption>{caption}</caption>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(escape("<b a=\"1\">&"), "&lt;b a=&quot;1&quot;&gt;&amp;");
        let mut table = Table::new("<i>", &["", "<u>"]);
        table.row("<s>", ["1".to_owned()]);
        let markup = table.markup();
        assert!(!markup.contains("<i>") && !markup.contains("<u>") && !markup.contains("<s>"), "{markup}");
    }
}
