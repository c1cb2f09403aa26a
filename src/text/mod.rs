//! YAML with a position for every value, the shapes that files must have, and the problems that
//! come of it. Pure.

pub mod problem;
