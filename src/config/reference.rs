//! The reference of the configuration: `config/certstream.toml`, and the page that is generated from it.
//!
//! A test compares the file with [`Written`](super::Written): it must contain every key with its default.

/// Every key with its unit, default and dangers, as a valid configuration file.
pub const EXPLAINED: &str = include_str!("../../config/certstream.toml");

#[cfg(test)]
mod tests {
    use super::EXPLAINED;
    use crate::config::can_change_at_run_time;
    use crate::config::read::variable_of;
    use std::fmt::Write;

    const PAGE: &str = "docs/configuration.md";
    const HEAD: &str = "\
# Configuration

<!-- Made from config/certstream.toml: UPDATE_DOCS=1 cargo test --lib configuration_page -->

`certstream-server config` prints the file that this page is made of, with every key and its default:

    certstream-server config > my.toml
    certstream-server check-config --config my.toml
    certstream-server --config my.toml

";

    /// One section of the file.
    #[derive(Default)]
    struct Section<'a> {
        /// The header with its brackets.
        header: &'a str,
        intro: Vec<&'a str>,
        keys: Vec<Key<'a>>,
    }

    /// Keys that share an explanation.
    struct Key<'a> {
        settings: Vec<Setting<'a>>,
        text: Vec<&'a str>,
    }

    struct Setting<'a> {
        name: &'a str,
        value: &'a str,
        /// Whether the key is commented out, as an example.
        is_example: bool,
    }

    impl<'a> Setting<'a> {
        fn parse(line: &'a str) -> Option<Self> {
            let bare = line.trim_start_matches("# ");
            let (name, value) = bare.split_once(" = ")?;
            let is_name = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            let setting = Setting { name, value, is_example: bare.len() < line.len() };
            (is_name && !name.is_empty()).then_some(setting)
        }
    }

    fn sections(text: &str) -> Vec<Section<'_>> {
        let mut sections = vec![Section::default()];
        let mut comment: Vec<&str> = Vec::new();
        for line in text.lines() {
            let bare = line.trim_start_matches('#').trim_start_matches(' ');
            let is_header = bare.starts_with('[') && bare.ends_with(']') && !bare.contains(' ');
            if is_header {
                let intro = std::mem::take(&mut comment);
                sections.push(Section { header: bare, intro, keys: Vec::new() });
            } else if let Some(setting) = Setting::parse(line) {
                add_setting(sections.last_mut().unwrap(), setting, std::mem::take(&mut comment));
            } else if line.is_empty() {
                sections.last_mut().unwrap().intro.append(&mut comment);
            } else if bare.is_empty() {
                comment.push("");
            } else {
                comment.push(line.trim_start_matches("# ").trim_start_matches('#'));
            }
        }
        sections
    }

    fn add_setting<'a>(section: &mut Section<'a>, setting: Setting<'a>, mut comment: Vec<&'a str>) {
        // Everything before the last paragraph belongs to the section.
        if let Some(last) = comment.iter().rposition(|line| line.is_empty()) {
            section.intro.extend(comment.drain(..=last));
        }
        match section.keys.last_mut() {
            Some(key) if comment.is_empty() => key.settings.push(setting),
            _ => section.keys.push(Key { settings: vec![setting], text: comment }),
        }
    }

    fn page() -> String {
        let mut page = HEAD.to_string();
        for section in sections(EXPLAINED) {
            let name = section.header.trim_matches(['[', ']']);
            if !name.is_empty() {
                writeln!(page, "## `{}`\n", section.header).unwrap();
            }
            write_text(&mut page, &section.intro);
            let is_list = section.header.starts_with("[[");
            section.keys.iter().for_each(|key| write_key(&mut page, name, is_list, key));
        }
        page.trim_end().to_string() + "\n"
    }

    fn write_key(page: &mut String, section: &str, is_list: bool, key: &Key) {
        let full = |name: &str| format!("{section}.{name}");
        let names: Vec<_> = key.settings.iter().map(|setting| format!("`{}`", full(setting.name))).collect();
        writeln!(page, "### {}\n", names.join(", ")).unwrap();
        write_text(page, &key.text);
        for Setting { name, value, is_example } in &key.settings {
            let value = format!("{}`{value}`", if *is_example { "not set; for example " } else { "" });
            let variable = if is_list { String::new() } else { format!("`{}`; ", variable_of(&full(name))) };
            let at_run_time = can_change_at_run_time(&if is_list { section.into() } else { full(name) });
            let change = if at_run_time { "changes at SIGHUP" } else { "needs a restart" };
            writeln!(page, "- {value}; {variable}{change}").unwrap();
        }
        page.push('\n');
    }

    /// Writes paragraphs. Indented lines are kept as they are.
    fn write_text(page: &mut String, lines: &[&str]) {
        let mut lines = lines.iter().peekable();
        while let Some(line) = lines.next() {
            let indented = |line: &str| line.starts_with("  ");
            writeln!(page, "{}{line}", if indented(line) { "    " } else { "" }).unwrap();
            if lines.peek().is_some_and(|next| indented(next) && !indented(line)) {
                page.push('\n');
            }
        }
        if !page.ends_with("\n\n") {
            page.push('\n');
        }
    }

    #[test]
    fn the_configuration_page_is_made_from_the_file() {
        let made = page();
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(PAGE, &made).unwrap();
        }
        let written = std::fs::read_to_string(PAGE).unwrap_or_default();
        assert!(made == written, "{PAGE} is old; UPDATE_DOCS=1 cargo test --lib configuration_page");
    }

    #[test]
    fn every_key_of_the_file_has_a_word_of_explanation() {
        for section in sections(EXPLAINED) {
            for key in &section.keys {
                let words: usize = key.text.iter().map(|line| line.split_whitespace().count()).sum();
                let names: Vec<_> = key.settings.iter().map(|setting| setting.name).collect();
                assert!(words >= 3, "{} {names:?}", section.header);
            }
        }
    }
}
