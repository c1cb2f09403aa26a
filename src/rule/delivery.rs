//! How callbacks of a gateway are best delivered: what a rule recommends, and a route decides.

use crate::text::node::Node;

/// When the gateway is told that all is well.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Delivery {
    /// When the upstream has it, and not otherwise.
    Direct,
    /// When it is on disk; it is delivered then.
    Durable,
    /// When the upstream has it; while that is unwell, when it is on disk.
    Spill,
}

impl Delivery {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Direct, Self::Durable, Self::Spill];

    /// The word in rules, configurations and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Durable => "durable",
            Self::Spill => "spill",
        }
    }

    /// The delivery of that word, if it is one.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|delivery| delivery.as_str() == word)
    }
}

/// What a rule recommends.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Recommended {
    /// How.
    pub delivery: Delivery,
    /// Why: what the gateway does when it is not answered well.
    pub because: String,
}

/// Of a rule whose shape has been checked.
pub(super) fn recommended(root: &Node) -> Option<Recommended> {
    let node = root.get("delivery")?;
    let text = |key| node.get(key).and_then(Node::as_text);
    let delivery = Delivery::from_word(text("recommended")?)?;
    Some(Recommended { delivery, because: text("because")?.to_owned() })
}
