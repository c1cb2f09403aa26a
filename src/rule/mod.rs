//! Rules: from YAML to a compiled rule that has proved itself, or to every problem at once. Pure.

mod ambiguity;
pub(crate) mod compile;
pub mod coverage;
mod grammar;
mod reference;
