//! The reference language: where a value stands and what is done with it.
//! `field.data | base64`, `header.stripe-signature.t`, `payload.items[0]['odd name']`.

/// A parsed reference; names are not resolved yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Reference {
    /// `body`, `decrypted`, `field`, `header`, `param`, `payload`.
    pub(crate) root: String,
    /// What follows it.
    pub(crate) path: Vec<Segment>,
    /// What is done with the value, in order.
    pub(crate) steps: Vec<String>,
}

/// One part of a path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Segment {
    /// `.name` or `['name']`
    Name(String),
    /// `[0]`
    Index(usize),
    /// `[rel=up]`: the first item whose member `rel` is `up`; of one item alone, that one.
    Where(String, String),
}

/// Parses a reference; the error says what is wrong and what is expected.
pub(crate) fn parse(text: &str) -> Result<Reference, String> {
    let mut parts = text.split('|').map(str::trim);
    let place = parts.next().unwrap_or_default();
    let steps: Vec<String> = parts.map(str::to_owned).collect();
    if steps.iter().any(String::is_empty) {
        return Err("a step is missing after `|`".to_owned());
    }
    let mut rest = Cursor { text: place };
    let root = rest.name();
    if root.is_empty() {
        return Err(format!("expected a reference such as `field.data`, found `{place}`"));
    }
    let mut path = Vec::new();
    while !rest.text.is_empty() {
        path.push(rest.segment().ok_or_else(|| {
            format!(
                "cannot read `{}` in `{place}`: expected `.name`, `[0]` or `['name']`",
                rest.text
            )
        })?);
    }
    Ok(Reference { root: root.to_owned(), path, steps })
}

/// A piece of a template.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Piece<'t> {
    /// `${…}`: what stands in it.
    Place(&'t str),
    /// Anything else.
    Words(&'t str),
}

/// Takes a template such as `OK${field.InvId}` apart; the error says what is wrong with it.
pub(crate) fn template(text: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((words, after)) = rest.split_once("${") {
        let (place, after) =
            after.split_once('}').ok_or_else(|| "`${` without a `}` after it".to_owned())?;
        if !words.is_empty() {
            pieces.push(Piece::Words(words));
        }
        pieces.push(Piece::Place(place.trim()));
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Words(rest));
    }
    Ok(pieces)
}

struct Cursor<'t> {
    text: &'t str,
}

impl<'t> Cursor<'t> {
    fn name(&mut self) -> &'t str {
        let end = self
            .text
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'))
            .unwrap_or(self.text.len());
        let (name, rest) = self.text.split_at(end);
        self.text = rest;
        name
    }

    fn segment(&mut self) -> Option<Segment> {
        if let Some(rest) = self.text.strip_prefix('.') {
            let mut after = Cursor { text: rest };
            let name = after.name();
            if name.is_empty() {
                return None;
            }
            self.text = after.text;
            return Some(Segment::Name(name.to_owned()));
        }
        let inner = self.text.strip_prefix('[')?;
        if let Some(quoted) = inner.strip_prefix('\'') {
            let (name, rest) = quoted.split_once("']")?;
            self.text = rest;
            return Some(Segment::Name(name.to_owned()));
        }
        let (digits, rest) = inner.split_once(']')?;
        if let Some((key, value)) = digits.split_once('=') {
            self.text = rest;
            let plain = |text: &str| !text.is_empty() && !text.contains(['[', '\'', '"']);
            return (plain(key) && plain(value))
                .then(|| Segment::Where(key.to_owned(), value.to_owned()));
        }
        let index = digits.parse().ok().filter(|index| *index < 1000)?;
        self.text = rest;
        Some(Segment::Index(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, root: &str, path: &[Segment], steps: &[&str]) {
        let want = Reference {
            root: root.to_owned(),
            path: path.to_vec(),
            steps: steps.iter().map(|&step| step.to_owned()).collect(),
        };
        assert_eq!(parse(text), Ok(want), "{text}");
    }

    fn name(text: &str) -> Segment {
        Segment::Name(text.to_owned())
    }

    #[test]
    fn places_and_steps_are_told_apart() {
        check("body", "body", &[], &[]);
        check("field.data | base64", "field", &[name("data")], &["base64"]);
        check("header.stripe-signature.t", "header", &[name("stripe-signature"), name("t")], &[]);
        check(
            "payload.items[0]['odd.name'].x | lower | fit 32",
            "payload",
            &[name("items"), Segment::Index(0), name("odd.name"), name("x")],
            &["lower", "fit 32"],
        );
    }

    #[test]
    fn an_item_is_found_by_a_member() {
        let up = Segment::Where("rel".to_owned(), "up".to_owned());
        check("payload.links[rel=up].href", "payload", &[name("links"), up, name("href")], &[]);
        assert!(parse("payload.links[rel=]").is_err());
    }

    #[test]
    fn a_template_is_words_and_places() {
        let pieces = template("OK${field.InvId}:${ now }").expect("a template");
        let want = [
            Piece::Words("OK"),
            Piece::Place("field.InvId"),
            Piece::Words(":"),
            Piece::Place("now"),
        ];
        assert_eq!(pieces, want);
        assert_eq!(template("{}"), Ok(vec![Piece::Words("{}")]));
        assert!(template("${x").is_err());
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        for text in
            ["", ".", "field.", "field..x", "a b", "field[x]", "field['x]", "field.x |", "x[1000]"]
        {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
