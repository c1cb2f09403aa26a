//! What a file's author is told: where, what was expected, what to do.

/// Problems kept of one file; further ones are only counted.
const PROBLEMS_MAX: usize = 100;
/// Characters of an excerpt's line; longer lines are cut around the column.
const EXCERPT_MAX: usize = 160;

/// A position in a file, both counted from 1, the column in characters. `len` characters are
/// underlined in the excerpt; at least one.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Place {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Characters to underline.
    pub len: u32,
}

/// One thing that is wrong with a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What, in one line; never a value that may be secret.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// The line may hold a secret: no excerpt of it is shown.
    pub sensitive: bool,
}

impl Problem {
    /// A problem without help.
    pub fn new(place: Place, message: impl Into<String>) -> Self {
        Self { place, message: message.into(), help: None, sensitive: false }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Keeps its line out of sight.
    #[must_use]
    pub fn sensitive(mut self) -> Self {
        self.sensitive = true;
        self
    }
}

/// Every problem of one file.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Problems {
    /// The file's name, as its author knows it.
    pub file: String,
    /// In the order they were found, at most 100.
    pub list: Vec<Problem>,
    more: usize,
    hidden: Vec<Place>,
}

impl Problems {
    /// None yet.
    pub fn new(file: impl Into<String>) -> Self {
        Self { file: file.into(), ..Self::default() }
    }

    /// Adds a problem without help.
    pub fn add(&mut self, place: Place, message: impl Into<String>) {
        self.push(Problem::new(place, message));
    }

    /// Adds a problem and what to do about it.
    pub fn add_with_help(
        &mut self,
        place: Place,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(Problem::new(place, message).help(help));
    }

    /// Adds a problem.
    pub fn push(&mut self, problem: Problem) {
        if self.list.len() < PROBLEMS_MAX {
            self.list.push(problem);
        } else {
            self.more += 1;
        }
    }

    /// Adds everything that was found elsewhere about the same file.
    pub fn append(&mut self, other: Self) {
        let Self { file: _, list, more, hidden } = other;
        for problem in list {
            self.push(problem);
        }
        self.more += more;
        self.hidden.extend(hidden);
    }

    /// Masks a place in every excerpt: what stands there may be a secret. It must not span lines.
    pub fn hide(&mut self, place: Place) {
        self.hidden.push(place);
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// `Ok` where nothing is wrong.
    pub fn into_result<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() { Ok(value) } else { Err(self) }
    }

    /// All of them, by place, for people: one line `file:line:column: error: message` each, an
    /// excerpt of `source` and the help.
    pub fn render(&self, source: &str) -> String {
        // The parser counts a lone carriage return as a line break, and a byte order mark not at all.
        let source =
            source.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
        let lines: Vec<&str> = source.split('\n').collect();
        let mut sorted: Vec<&Problem> = self.list.iter().collect();
        sorted.sort_by_key(|problem| problem.place);
        let mut out = Vec::new();
        for problem in sorted {
            let line = (problem.place.line as usize)
                .checked_sub(1)
                .and_then(|index| lines.get(index))
                .filter(|_| !problem.sensitive);
            self.render_one(&mut out, problem, line.copied());
        }
        if self.more > 0 {
            out.push(format!("{}: error: {} more problems\n", escape(&self.file), self.more));
        }
        out.concat()
    }

    fn render_one(&self, out: &mut Vec<String>, problem: &Problem, line: Option<&str>) {
        let Problem { place, message, help, sensitive: _ } = problem;
        let Place { line: number, column, .. } = place;
        let (file, message) = (escape(&self.file), escape(message));
        out.push(format!("{file}:{number}:{column}: error: {message}\n"));
        let margin = " ".repeat(number.to_string().len());
        if let Some(line) = line {
            let (text, underline) = self.excerpt(*place, line);
            out.push(format!("{margin} |\n{number} | {text}\n{margin} | {underline}\n"));
        }
        if let Some(help) = help {
            out.push(format!("{margin} = help: {}\n", escape(help)));
        }
    }

    /// The line as it is shown, and the carets below it.
    fn excerpt(&self, place: Place, line: &str) -> (String, String) {
        let start = place.column.saturating_sub(1) as usize;
        let total = line.chars().count();
        let end = (start + place.len.max(1) as usize).min(total.max(start + 1));
        let (from, to) = if total <= EXCERPT_MAX {
            (0, total)
        } else {
            let from = start.saturating_sub(EXCERPT_MAX / 2).min(total - EXCERPT_MAX);
            (from, from + EXCERPT_MAX)
        };
        let (mut text, mut underline) = (String::new(), String::new());
        if from > 0 {
            text.push('…');
            underline.push(' ');
        }
        for (index, char) in line.chars().enumerate().take(to).skip(from) {
            let shown = if self.is_hidden(place.line, index) {
                String::from("*")
            } else {
                escape(char.encode_utf8(&mut [0; 4]))
            };
            let mark = if (start..end).contains(&index) { "^" } else { " " };
            underline.push_str(&mark.repeat(shown.chars().count()));
            text.push_str(&shown);
        }
        if to < total {
            text.push('…');
        }
        if start >= to {
            underline.push_str(&" ".repeat(start - to));
            underline.push('^');
        }
        (text.trim_end().to_owned(), underline.trim_end().to_owned())
    }

    fn is_hidden(&self, line: u32, index: usize) -> bool {
        self.hidden.iter().any(|place| {
            let start = place.column.saturating_sub(1) as usize;
            place.line == line && (start..start + place.len as usize).contains(&index)
        })
    }
}

/// The text with what a terminal would obey, or hide, spelled out.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        let invisible = matches!(char,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if char.is_control() || invisible {
            out.extend(char.escape_default());
        } else {
            out.push(char);
        }
    }
    out
}

/// The candidate that was probably meant: the same in another letter case, or a few typing errors
/// away.
pub fn did_you_mean<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let word = word.to_lowercase();
    // A third of the letters may be wrong, of a short word one; long words are not worth comparing.
    let errors_max = (word.chars().count() / 3).max(1);
    if word.len() > 64 {
        return None;
    }
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&word, &candidate.to_lowercase()), candidate))
        .filter(|(errors, candidate)| {
            *errors <= errors_max && *errors < candidate.chars().count().max(1)
        })
        .min_by_key(|(errors, _)| *errors)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic fails the test")]

    use super::*;

    fn place(line: u32, column: u32, len: u32) -> Place {
        Place { line, column, len }
    }

    #[test]
    fn a_problem_shows_its_line_and_what_to_do() {
        let mut problems = Problems::new("rules/acme.yaml");
        problems.add_with_help(place(3, 5, 6), "unknown key `secert`", "did you mean `secret`?");
        problems.add(place(1, 1, 1), "first");
        let want = "rules/acme.yaml:1:1: error: first\n  |\n1 | a:\n  | ^\n\
            rules/acme.yaml:3:5: error: unknown key `secert`\n  |\n3 |   - secert: x\n  |     ^^^^^^\n  = help: did you mean `secret`?\n";
        assert_eq!(problems.render("a:\n\n  - secert: x\n"), want);
    }

    #[test]
    fn what_may_be_secret_is_not_shown() {
        let mut problems = Problems::new("f");
        problems.push(Problem::new(place(1, 1, 1), "literal secret").sensitive());
        problems.hide(place(2, 8, 5));
        problems.add(place(2, 1, 4), "wrong");
        let text = problems.render("secret: hunter2\nkey: { pässw: 1 }\n");
        let want = "f:1:1: error: literal secret\nf:2:1: error: wrong\n  |\n2 | key: { *****: 1 }\n  | ^^^^\n";
        assert_eq!(text, want);
    }

    #[test]
    fn control_characters_are_spelled_out_and_the_underline_follows() {
        let mut problems = Problems::new("f");
        problems.add(place(1, 3, 1), "bad \u{1b}[31m");
        let text = problems.render("\u{1b}\u{202e}x");
        assert_eq!(
            text,
            "f:1:3: error: bad \\u{1b}[31m\n  |\n1 | \\u{1b}\\u{202e}x\n  |               ^\n"
        );
    }

    #[test]
    fn long_lines_are_cut_around_the_column() {
        let mut problems = Problems::new("f");
        problems.add(place(1, 1001, 3), "here");
        let text = problems.render(&format!("{}abc{}", "x".repeat(1000), "y".repeat(1000)));
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.iter().all(|line| line.chars().count() < 170), "{text}");
        let column = lines[3].find('^').unwrap();
        assert_eq!(lines[2].chars().skip(column).take(3).collect::<String>(), "abc");
    }

    #[test]
    fn a_place_at_the_end_of_the_line_is_underlined_there() {
        let mut problems = Problems::new("f");
        problems.add(place(1, 4, 0), "empty");
        problems.add(place(9, 1, 1), "past the end");
        assert_eq!(
            problems.render("a:"),
            "f:1:4: error: empty\n  |\n1 | a:\n  |    ^\nf:9:1: error: past the end\n"
        );
    }

    #[test]
    fn the_list_is_bounded_and_says_so() {
        let mut problems = Problems::new("f");
        for _ in 0..150 {
            problems.add(place(1, 1, 1), "x");
        }
        assert_eq!(problems.list.len(), PROBLEMS_MAX);
        assert!(problems.render("").ends_with("f: error: 50 more problems\n"));
    }

    #[test]
    fn typing_errors_are_recognised_and_other_words_are_not() {
        let keys = ["secret", "timeout", "to", "connect_timeout"];
        for (word, want) in [
            ("secert", Some("secret")),
            ("SECRET", Some("secret")),
            ("timout", Some("timeout")),
            ("ot", Some("to")),
            ("x", None),
            ("password", None),
            ("connection_timeout", Some("connect_timeout")),
        ] {
            assert_eq!(did_you_mean(word, keys), want, "{word}");
        }
    }
}
