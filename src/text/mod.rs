//! YAML with a position for every value, the shapes that files must have, and the problems that
//! come of it. Pure.

pub mod node;
pub mod problem;
pub mod schema;
pub mod shape;
pub mod unit;
